"""Audio seconds per second of the recogniser alone, and of the whole server, on a device."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asr_server.models import loading
from benchmarks.gpu import models
from benchmarks.server.lively import make_segments
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

SEGMENTS, TALKS, BATCH_AUDIO_S, REPEATS = 2048, 200, 600.0, 3
DTYPES = ("bfloat16", "float16", "float32")
Audio = NDArray[np.int16]


def measure(device: str, *, small: bool) -> Iterator[tuple[str, Any]]:
    """Measure the demo models and Paraformer-large, each alone and behind WebSockets."""
    if not small:
        yield "demo_float32", _measure(loading.demo_directory(), device, "float32", small=small)
    with models.large(small=small) as large:
        for dtype in DTYPES[-1:] if small else DTYPES:
            yield f"large_{dtype}", _measure(large, device, dtype, small=small)


def _measure(directory: Path, device: str, dtype: str, *, small: bool) -> dict[str, Any]:
    loaded = loading.load_models(directory, device=device, dtype=dtype)
    return {
        "recognizer": _measure_recognizer(loaded, device, small=small),
        "server": _measure_server(directory, loaded, small=small),
    }


def _measure_recognizer(
    loaded: loading.Models, device: str, *, small: bool
) -> dict[str, float | int]:
    """Measure sorted segments, in batches of ten minutes of padded audio; words come out.

    `useful_ratio`: the audio over what is computed with its padding.
    """
    segments = [talk.audio for talk in make_segments(8 if small else SEGMENTS)]
    batches = _cut(sorted(segments, key=len))
    loaded.recognizer.recognize(batches[-1])
    took_s = [
        time_s(device, lambda: [loaded.recognizer.recognize(batch) for batch in batches])
        for _ in range(1 if small else REPEATS)
    ]
    samples = sum(map(len, segments))
    padded = sum(len(batch) * len(batch[-1]) for batch in batches)
    return {
        "audio_s_per_s": round(samples / 16000 / statistics.median(took_s), 1),
        "batches": len(batches),
        "useful_ratio": round(samples / padded, 3),
    }


def _measure_server(directory: Path, loaded: loading.Models, *, small: bool) -> dict[str, Any]:
    """Measure files of a minute, all at once, with VAD and punctuation; the first time warms up.

    `useful_ratio`: the speech that the VAD finds over what the recogniser computes for it.
    """
    talks = make_talks(2 if small else TALKS, 20.0 if small else 60.0)
    audio_s = sum(talk.duration_s for talk in talks)
    spans = [span for found in loaded.vad.detect([talk.audio for talk in talks]) for span in found]
    speech_s = sum(span.end_ms - span.start_ms for span in spans) / 1000
    kind = (f"--model={directory}", f"--device={loaded.device}", f"--dtype={loaded.dtype}")
    flags = ("--batch-size=256", f"--batch-audio-s={BATCH_AUDIO_S}", "--max-sessions=1000")
    with Server(*kind, *flags) as server:
        times = 2 if small else 1 + REPEATS
        sent = [send_talks(server.url, talks, len(talks)) for _ in range(times)]
        computed_s = server.metric('asr_batch_audio_seconds_sum{stage="asr"}') or 0.0
    if errors := sum(len(each.errors) for each in sent):
        raise RuntimeError(f"{errors} files failed")
    rates = [audio_s / each.took_s for each in sent[1:]]
    return {
        "audio_s_per_s": round(statistics.median(rates), 1),
        "all": [round(rate) for rate in rates],
        "useful_ratio": round(len(sent) * speech_s / computed_s, 3),
    }


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
