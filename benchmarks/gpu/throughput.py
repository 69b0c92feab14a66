"""Audio seconds per second of the models alone, and of the whole server, on a device."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asr_server.models import loading
from benchmarks.server import large_model
from benchmarks.server.lively import make_segments
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

SEGMENTS, BATCH_AUDIO_S, REPEATS = 512, 600.0, 3
DTYPES = ("float32", "bfloat16", "float16")
Audio = NDArray[np.int16]


def measure(device: str, *, small: bool) -> dict[str, Any]:
    """Measure the demo models and Paraformer-large, each alone and behind WebSockets."""
    with tempfile.TemporaryDirectory() as folder:
        large = write_large(Path(folder), small=small)
        found = {}
        for name, directory in (("demo", loading.demo_directory()), ("large", large)):
            for dtype in DTYPES[:1] if small else DTYPES:
                found[f"{name}_{dtype}"] = {
                    "models_audio_s_per_s": _measure_models(directory, device, dtype, small=small),
                    "server_audio_s_per_s": _measure_server(directory, device, dtype, small=small),
                }
                print(name, dtype, found[f"{name}_{dtype}"], flush=True)  # should time run out
    return found


def write_large(folder: Path, *, small: bool) -> Path:
    """Write the demo models with Paraformer-large, of random weights, as recogniser."""
    large = folder / "large"
    shutil.copytree(loading.demo_directory(), large)
    (large / "manifest.json").unlink()
    shutil.rmtree(large / "asr")
    large_model.write(large / "asr", blocks=1 if small else None)
    return large


def _measure_models(
    directory: Path, device: str, dtype: str, *, small: bool
) -> dict[str, float | int]:
    """Measure the recogniser on sorted segments, in batches of ten minutes of padded audio."""
    models = loading.load_models(directory, device=device, dtype=dtype)
    segments = [talk.audio for talk in make_segments(8 if small else SEGMENTS)]
    batches = _cut(sorted(segments, key=len))
    models.recognizer.recognize(batches[-1])
    took_s = [
        time_s(device, lambda: [models.recognizer.recognize(batch) for batch in batches])
        for _ in range(1 if small else REPEATS)
    ]
    audio_s = sum(map(len, segments)) / 16000
    return {"rate": round(audio_s / statistics.median(took_s), 1), "batches": len(batches)}


def _measure_server(directory: Path, device: str, dtype: str, *, small: bool) -> float:
    talks = make_talks(2 if small else 200, 20.0 if small else 60.0)
    flags = ("--batch-size=256", f"--batch-audio-s={BATCH_AUDIO_S}", "--max-sessions=1000")
    with Server(f"--model={directory}", f"--device={device}", f"--dtype={dtype}", *flags) as server:
        send_talks(server.url, talks, len(talks))
        sent = send_talks(server.url, talks, len(talks))
    return round(sum(talk.duration_s for talk in talks) / sent.took_s, 1)


def _cut(segments: Sequence[Audio]) -> list[list[Audio]]:
    """Cut sorted segments into batches of bounded padded audio."""
    batches: list[list[Audio]] = [[]]
    for segment in segments:
        if (len(batches[-1]) + 1) * len(segment) > BATCH_AUDIO_S * 16000:
            batches.append([])
        batches[-1].append(segment)
    return batches


def time_s(device: str, work: Callable[[], object]) -> float:
    """Return how long the work takes, until the device is done with it."""
    began = time.monotonic()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.monotonic() - began
