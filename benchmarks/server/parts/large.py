"""Paraformer-large at real size, with random weights: the server beside `AutoModel`.

CIF's weights are set so that there are 4.5 tokens in a second, as in Mandarin, and the demo VAD
cuts: with random ones the decoder would have nothing to do, or far too much.
"""

import math
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from asr_server.bench.speech import words
from asr_server.models.loading import demo_directory
from benchmarks.server import large_model, peers
from benchmarks.server.figures import Figure
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import Talk, make_talks
from benchmarks.serving import Server

TALKS, TALK_S, REPEATS = 4, 30.0, 2
BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def measure() -> list[Figure]:
    """Return the ratios to `AutoModel` in float32, and in bfloat16 where the CPU has it."""
    talks = make_talks(TALKS, TALK_S)
    audio_s = sum(talk.duration_s for talk in talks)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "large")
        shutil.copytree(demo_directory() / "vad", models / "vad")
        large_model.write(models / "asr")
        ours = _measure_ours(models, talks, "float32")
        half = _measure_ours(models, talks, "bfloat16") if has_bfloat16() else None
        flags = ("--no-punc", f"--repeats={REPEATS}", f"--threads={os.cpu_count()}")
        stock = peers.run_automodel(models, talks, *flags)
    theirs = audio_s / statistics.median(stock["took_s"])
    tokens = sum(len(words(text)) for text in stock["heard"].values()) / audio_s
    detail = f"{ours:.1f} audio s/s; AutoModel {theirs:.1f} ({tokens:.1f} tokens/s); no punctuation"
    raw = {"ours": ours, "bfloat16": half, "automodel": theirs, "tokens_per_s": tokens}
    return [
        Figure("files_ratio_large", ours / theirs, "x", detail, raw),
        Figure(
            "files_ratio_large_bfloat16",
            half / theirs if half else None,
            "x",
            f"{half:.1f} audio s/s" if half else "this CPU has no bfloat16",
            raw,
        ),
    ]


def has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(BFLOAT16 & set(flags.split()))


def _measure_ours(models: Path, talks: Sequence[Talk], dtype: str) -> float:
    audio_s = sum(talk.duration_s for talk in talks)
    with Server(f"--model={models}", f"--dtype={dtype}") as server:
        send_talks(server.url, talks, TALKS)
        took_s = [send_talks(server.url, talks, TALKS) for _ in range(REPEATS)]
    rate = audio_s / statistics.median(each.took_s for each in took_s)
    if not math.isfinite(rate) or not all(all(each.heard.values()) for each in took_s):
        raise RuntimeError("some talk had no words: the token rate is not what it should be")
    return rate
