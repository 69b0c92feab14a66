"""Measure what a piece of live audio costs the engine's loop, beside the models: CPU time.

    python -m benchmarks.streams.loop [--streams 512] [--ticks 60] [--repeats 5]

The loop, the queues and the streams as they are; the VAD knows its answer without a look at the
audio, and there is no other model. Each figure is the best repetition of the median tick.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr_server.engine import __main__ as engine
from asr_server.engine import crew, loop, protocols, torch_device
from asr_server.link import messages
from asr_server.speech import hints, pieces, sounds, words

PIECE_SAMPLES, SAMPLES_PER_MS = 960, 16
WARM_UP_TICKS = 6
LIMITS = messages.BatchLimits(batch_size=128, batch_audio_s=600.0, max_wait_ms=0.0)


@dataclass(frozen=True, slots=True)
class KnowingVad:
    """Everybody speaks, or nobody; a state is the samples that came so far."""

    speaking: bool
    hindsight_ms: int = 650

    def start(self) -> int:
        """Return the state of a stream at its beginning."""
        return 0

    def advance(self, batch: Sequence[pieces.Piece[int]], /) -> list[pieces.Endpoints[int]]:
        """Return what was known before."""
        return [self._answer(piece.state + len(piece.audio)) for piece in batch]

    def _answer(self, samples: int) -> pieces.Endpoints[int]:
        heard_ms = samples // SAMPLES_PER_MS
        if self.speaking:
            return pieces.Endpoints(samples, (), 0, 0, heard_ms)
        return pieces.Endpoints(samples, (), None, heard_ms, heard_ms)


@dataclass(frozen=True, slots=True)
class Models:
    """A VAD, and a recogniser that has nothing to do."""

    streaming_vad: KnowingVad
    streaming_recognizer: None = None
    punctuation: None = None
    takes_hotwords: bool = False

    @property
    def vad(self) -> "Models":
        """Nobody sends recordings."""
        return self

    @property
    def recognizer(self) -> "Models":
        """Nobody ends an utterance."""
        return self

    def hear(self, audio: Sequence[protocols.Audio]) -> Sequence[sounds.Detected]:
        """Find no speech."""
        return [sounds.Detected(()) for _ in audio]

    def recognize(
        self, audio: Sequence[sounds.Sound], _hints: Sequence[hints.Hints], /
    ) -> Sequence[words.Words]:
        """Recognise nothing."""
        return [words.Words() for _ in audio]


def measure(streams: int, ticks: int, *, speaking: bool) -> float:
    """Return the CPU seconds of a piece, where every tick brings one of each stream."""
    workers = crew.Crew(torch_device.TorchDevice("cpu", 1), time.monotonic)
    arena = np.zeros(streams * PIECE_SAMPLES, dtype=np.int16)
    batches = loop.BatchLoop(Models(KnowingVad(speaking)), arena, LIMITS, workers)
    chunks = (5, 10, 5)
    batches.turn([messages.OpenStream(number, "2pass", chunks) for number in range(streams)])
    costs = []
    for _ in range(WARM_UP_TICKS + ticks):
        now = time.monotonic()
        feeds = [
            messages.Feed(number, number * PIECE_SAMPLES, PIECE_SAMPLES, now)
            for number in range(streams)
        ]
        before, heard = time.thread_time(), 0
        turn = batches.turn(feeds)
        while True:
            ran = [each.size for each in turn.replies if isinstance(each, messages.BatchRan)]
            heard += sum(ran)
            if heard >= streams:
                break
            turn = batches.turn(())
        costs.append(time.thread_time() - before)
    return statistics.median(costs[WARM_UP_TICKS:]) / streams


def main() -> None:
    """Measure silence and speech by turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=512)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    gc.freeze()
    gc.set_threshold(engine.GC_THRESHOLD)
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.repeats):
        for speaking, costs in found.items():
            costs.append(measure(options.streams, options.ticks, speaking=speaking))
    silent, spoken = (1e6 * min(costs) for costs in found.values())
    print(f"{silent:.1f} us a piece where nobody speaks, {spoken:.1f} us where everybody does")


if __name__ == "__main__":
    main()
