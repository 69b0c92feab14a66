"""Measure the streaming models alone: CPU time per batch of streams, on one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.streams [--model demo|DIR] [--repeats 3]

Prints a table; each figure is the median of the repetitions of the median batch. Streams have their
full look-back, and all of them speak. CPU time, not wall time, so that other work on the machine
counts less; the speed of a matrix product in the same run says how much it still counted.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from asr_server.bench.speech import RATE_HZ
from asr_server.models import loading
from asr_server.speech.pieces import Piece
from benchmarks.conditions import ROOT

SPEECH = ROOT / "tests" / "data" / "utterances"
CHUNK_SIZE = (5, 10, 5)
CHUNK_SAMPLES = 9600
FRAME_SAMPLES = 960
PRODUCT = 512
WARM_UP, MEASURED = 6, 10  # batches; the look-back is full after four


@dataclass(frozen=True, slots=True)
class Case:
    """A model, the state of its streams at their beginning, and the length of their pieces."""

    name: str
    model: Any
    start: Any
    samples: int

    def measure(self, spoken: NDArray[np.int16], rows: int) -> float:
        """Return the CPU seconds of a batch of streams, each in another place of what is spoken."""
        states, costs = [self.start] * rows, []
        for turn in range(WARM_UP + MEASURED):
            pieces = []
            for row, state in enumerate(states):
                start = (row * 7919 + turn * self.samples) % (len(spoken) - self.samples)
                pieces.append(Piece(state, spoken[start : start + self.samples]))
            before = time.thread_time()
            states = [after.state for after in self.model.advance(pieces)]
            costs.append(time.thread_time() - before)
        return statistics.median(costs[WARM_UP:])


def measure_product() -> float:
    """Return the GFLOP/s of a matrix product."""
    matrix = torch.randn(PRODUCT, PRODUCT)
    before = time.thread_time()
    for _ in range(20):
        matrix @ matrix
    return 20 * 2 * PRODUCT**3 / (time.thread_time() - before) / 1e9


def print_row(case: Case, rows: int, cost_s: float) -> None:
    """Print what a batch costs, and what a second of one stream does."""
    per_second_ms = 1000 * cost_s / rows / (case.samples / RATE_HZ)
    print(
        f"{case.name:10} {rows:5} {1000 * cost_s:9.2f} {rows / cost_s:9.0f} {per_second_ms:12.2f}"
    )


def main() -> None:
    """Measure both models at several sizes of a batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo", help="demo, or a folder that has asr_online")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = loading.demo_directory() if options.model == "demo" else Path(options.model)
    models = loading.load_models(folder, device="cpu", dtype="float32")
    online, vad = models.streaming_recognizer, models.streaming_vad
    if online is None:
        parser.error(f"{folder} has no asr_online")
    spoken = np.concatenate(
        [soundfile.read(path, dtype="int16")[0] for path in sorted(SPEECH.glob("*.flac"))]
    )
    print(f"matrix product: {measure_product():.0f} GFLOP/s")
    print(f"{'model':10} {'rows':>5} {'ms/batch':>9} {'rows/s':>9} {'ms/audio s':>12}")
    streaming = Case("asr_online", online, online.start(CHUNK_SIZE), CHUNK_SAMPLES)
    detecting = Case("vad", vad, vad.start(), FRAME_SAMPLES)
    for case, sizes in ((streaming, (1, 8, 32, 64)), (detecting, (1, 32, 128))):
        for rows in sizes:
            costs = [case.measure(spoken, rows) for _ in range(options.repeats)]
            print_row(case, rows, statistics.median(costs))
    print(f"matrix product: {measure_product():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
