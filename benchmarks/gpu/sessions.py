"""Live 2pass sessions within 500 ms on a device, by asr-bench: the demo models, and large ones.

A server lets newcomers in by and by until it knows what it carries: a first crowd, which is not
counted, shows it. With Paraformer-large, whose weights are random, words are not compared.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from asr_server.models import loading
from benchmarks.gpu import models
from benchmarks.server.benching import count_harm, run_bench
from benchmarks.serving import Server

LEVELS, TRIAL_S = (512, 768, 1024), 8
WITHIN_S = 0.5


def measure(device: str, *, small: bool) -> Iterator[tuple[str, Any]]:
    """Try some numbers of sessions."""
    levels, trial_s = ((2,), 3) if small else (LEVELS, TRIAL_S)
    yield "demo_float32", _try(loading.demo_directory(), device, "float32", levels, trial_s)
    with models.large(small=small) as large:
        dtype = "float32" if small else "bfloat16"
        yield f"large_{dtype}", _try(large, device, dtype, levels, trial_s, "--max-cer=1")


def _try(
    directory: Path,
    device: str,
    dtype: str,
    levels: Sequence[int],
    trial_s: float,
    *options: str,
) -> dict[str, Any]:
    flags = (f"--model={directory}", f"--device={device}", f"--dtype={dtype}")
    with Server(*flags, "--max-sessions=4000", "--batch-size=128") as server:
        if len(levels) > 1:  # two sessions are let in at once
            run_bench(server.url, f"--sessions={levels[0]}", "--duration=5", *options)
        sessions = ",".join(map(str, levels))
        trial = (f"--sessions={sessions}", f"--duration={trial_s}")
        found = run_bench(server.url, *trial, f"--metrics-url={server.metrics_url}", *options)
    held = [each["sessions"] for each in found["trials"] if _holds(each, words=not options)]
    return {"sessions_within_500_ms": max(held, default=0), "trials": found["trials"]}


def _holds(trial: dict[str, Any], *, words: bool) -> bool:
    in_time = trial["p95_s"] is not None and trial["p95_s"] <= WITHIN_S
    whole = not count_harm(trial) and not trial["account"]["turned_away"]
    return in_time and whole and (not words or trial["account"]["cer"] <= 0.05)
