"""What a device does in one batch of each stage, by torch.profiler; `share_computing` counts most.

Where it is well under one, the host is what limits: by launching kernels (CUDA graphs could win up
to one over the share), by waiting for the device inside the batch, or by copies that are waited for
because they are from memory that is not pinned.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from asr_server.models import loading
from asr_server.models.cuda_graph import CudaRecorder
from asr_server.models.recognizer import Recognizer
from asr_server.speech.pieces import Piece
from benchmarks.gpu import models
from benchmarks.gpu.throughput import Audio, time_s
from benchmarks.server.lively import make_segments

SHAPES = {"few_short": (4, 2.0), "some": (32, 5.0), "many": (128, 5.0)}
SMALL = {"few_short": (2, 1.0)}
ONLINE_SAMPLES = 9600
REPEATS = 5
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernelEx")
COPIES = {"Memcpy HtoD (Pageable": "pageable_in", "Memcpy HtoD (Pinned": "pinned_in"}
COPIES |= {"Memcpy DtoH": "out"}
LONGEST_KERNELS, NAME_CHARACTERS = 8, 70


def measure(device: str, *, small: bool) -> Iterator[tuple[str, Any]]:
    """Look at batches of every stage of the demo models, and of Paraformer-large."""
    yield "demo_float32", _look_at(loading.demo_directory(), device, "float32", small=small)
    with models.large(small=small) as large:
        dtype = "float32" if small else "bfloat16"
        yield f"large_{dtype}", _look_at(large, device, dtype, small=small)


def _look_at(directory: Path, device: str, dtype: str, *, small: bool) -> dict[str, Any]:
    """Look at each stage kernel by kernel, then at the recogniser with short batches recorded."""
    loaded = loading.load_models(directory, device=device, dtype=dtype)
    segments = [talk.audio for talk in make_segments(8 if small else 256)]
    shapes = SMALL if small else SHAPES
    batches = {
        shape: _cut(segments, rows, round(audio_s * 16000))
        for shape, (rows, audio_s) in shapes.items()
    }
    found = {
        f"{stage}_{shape}": look(device, work)
        for shape, audio in batches.items()
        for stage, work in _stages(loaded, audio).items()
    }
    if device.startswith("cuda") and isinstance(loaded.recognizer, Recognizer):
        loaded.recognizer.record_short_batches(CudaRecorder())
        short = batches["few_short"]
        found["asr_few_short_recorded"] = look(device, lambda: loaded.recognizer.recognize(short))
    return found


def _cut(segments: list[Audio], rows: int, samples: int) -> list[Audio]:
    """Return so many rows of one length, with speech all through."""
    everything = torch.cat([torch.from_numpy(each) for each in segments])
    needed = rows * samples
    repeated = everything.repeat(-(-needed // len(everything)))[:needed]
    return list(repeated.view(rows, samples).numpy())


def _stages(loaded: loading.Models, audio: list[Audio]) -> dict[str, Callable[[], object]]:
    vad, online = loaded.streaming_vad, loaded.streaming_recognizer
    parts = [row[:ONLINE_SAMPLES] for row in audio]
    heard = [Piece(vad.start(), part) for part in parts]
    stages: dict[str, Callable[[], object]] = {
        "vad": lambda: loaded.vad.hear(audio),
        "asr": lambda: loaded.recognizer.recognize(audio),
        "streaming_vad": lambda: vad.advance(heard),
    }
    if online is not None:
        spoken = [Piece(online.start((5, 10, 5)), part) for part in parts]
        stages["asr_online"] = lambda: online.advance(spoken)
    return stages


def look(device: str, work: Callable[[], object]) -> dict[str, Any]:
    """Return how long a batch takes and, where the device has a trace, what happens in it."""
    for _ in range(2):
        work()
    took_ms = 1000 * statistics.median(time_s(device, work) for _ in range(REPEATS))
    found: dict[str, Any] = {"batch_ms": round(took_ms, 2)}
    if not device.startswith("cuda"):
        return found
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profiler:
        time_s(device, work)
    return found | summarize(profiler.events(), took_ms)


def summarize(events: Iterable[Any], took_ms: float) -> dict[str, Any]:
    """Return the share of `took_ms` in which the device computes, launches, waits, copies, kernels.

    `events` are torch.profiler's. Two waits are the measurement's own and are not counted.
    """
    counts: Counter[str] = Counter(launches=0, waits=-2, pageable_in=0, pinned_in=0, out=0)
    kernels: Counter[str] = Counter()
    computing = []
    for event in events:
        if event.device_type.name != "CUDA":
            counts["launches"] += event.name in LAUNCHES
            counts["waits"] += event.name in WAITS
        elif event.name.startswith("Memcpy"):
            for name, kind in COPIES.items():
                counts[kind] += event.name.startswith(name)
        else:
            start, end = event.time_range.start, event.time_range.end
            computing.append((start, end))
            kernels[event.name[:NAME_CHARACTERS]] += end - start
    device_ms = covered(computing) / 1000
    share = round(device_ms / took_ms, 3)
    longest = {name: round(us / 1000, 2) for name, us in kernels.most_common(LONGEST_KERNELS)}
    return {"device_ms": round(device_ms, 2), "share_computing": share, **counts} | {
        "longest_kernels_ms": longest
    }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much time the spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
