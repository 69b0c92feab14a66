"""Measure the engine with live 2pass streams: CPU time per second of audio, on one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.streams.live [--streams 280] [--seconds 12]

The loop, the stages and the demo models as they are shipped, without the front and the sockets. The
audio comes a tick at a time to all streams, as the front sends it, and is computed as fast as it
can be. The mean size of the batches of a stage is beside its time, so that runs can be compared.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from asr_server.bench.speech import RATE_HZ
from asr_server.engine import crew, loop, torch_device
from asr_server.link import messages
from asr_server.models import loading
from benchmarks.streams.__main__ import CHUNK_SIZE, SPEECH

TICK_SAMPLES = 1920
SILENCE_SAMPLES = 14_400  # behind each utterance
LIMITS = messages.BatchLimits(batch_size=32, batch_audio_s=120.0, max_wait_ms=0.0)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of the process for so many seconds of audio, and what was said."""

    cpu_s: float
    audio_s: float
    stages: Mapping[str, Sequence[messages.BatchRan]]
    finals: Sequence[tuple[int, int, str]]


def read_speech() -> NDArray[np.int16]:
    """Return all utterances, each with silence behind it."""
    silence = np.zeros(SILENCE_SAMPLES, dtype=np.int16)
    spoken = [soundfile.read(path, dtype="int16")[0] for path in sorted(SPEECH.glob("*.flac"))]
    return np.concatenate([part for row in spoken for part in (row, silence)])


def measure(models: loading.Models, audio: NDArray[np.int16], streams: int, seconds: int) -> Cost:
    """Let streams speak, each from another place of the audio on."""
    workers = crew.Crew(torch_device.TorchDevice("cpu", 1), time.monotonic)
    batches = loop.BatchLoop(models, audio, LIMITS, workers)
    replies: list[messages.ToFront] = []

    def run(*arriving: messages.ToEngine) -> None:
        turn = batches.turn(arriving)
        replies.extend(turn.replies)
        while turn.wait_s is not None:
            turn = batches.turn(())
            replies.extend(turn.replies)

    ticks = seconds * RATE_HZ // TICK_SAMPLES
    room = len(audio) - ticks * TICK_SAMPLES
    numbers = range(streams)
    began = time.process_time()
    run(*[messages.OpenStream(number, "2pass", CHUNK_SIZE) for number in numbers])
    for tick in range(ticks):
        now = time.monotonic()
        places = [number * 7919 * 31 % room + tick * TICK_SAMPLES for number in numbers]
        feeds = zip(numbers, places, strict=True)
        run(*[messages.Feed(number, place, TICK_SAMPLES, now) for number, place in feeds])
    run(*[messages.EndStream(number, time.monotonic()) for number in numbers])
    return _sum_up(time.process_time() - began, streams * seconds, replies)


def _sum_up(cpu_s: float, audio_s: float, replies: list[messages.ToFront]) -> Cost:
    stages: dict[str, list[messages.BatchRan]] = defaultdict(list)
    finals = []
    for reply in replies:
        match reply:
            case messages.BatchRan():
                stages[reply.stage].append(reply)
            case messages.Final():
                finals.append((reply.stream_id, reply.utterance, reply.text))
            case messages.StreamFailed():
                raise RuntimeError(reply.reason)
    return Cost(cpu_s, audio_s, stages, sorted(finals))


def main() -> None:
    """Measure once, after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=280)
    parser.add_argument("--seconds", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = loading.load_models(loading.demo_directory(), device="cpu", dtype="float32")
    audio = read_speech()
    measure(models, audio, 32, 3)
    cost = measure(models, audio, options.streams, options.seconds)
    said = hash(tuple(cost.finals)) & 0xFFFFFF
    print(f"{1000 * cost.cpu_s / cost.audio_s:.3f} ms of CPU for a second of audio", end="; ")
    print(f"{len(cost.finals)} finals {said:x}", end="")
    for stage, ran in sorted(cost.stages.items()):
        took_s, size = sum(each.took_s for each in ran), sum(each.size for each in ran)
        print(f"; {stage} {1000 * took_s / cost.audio_s:.2f} ms, {size / len(ran):.0f}", end="")
    print()


if __name__ == "__main__":
    main()
