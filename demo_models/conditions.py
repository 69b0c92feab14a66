"""What the finished models are tested with: int16 recordings at 16 kHz under several conditions."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo_models import dataset, speech, streams

Audio = NDArray[np.int16]
Change = Callable[[speech.Samples], speech.Samples]

QUIET_RECORDINGS = 30
_QUIET_SAMPLES = 4 * speech.RATE_HZ
_STREAMS, _UTTERANCES = 60, 4


@dataclass(frozen=True, slots=True)
class Spoken:
    """Recordings of one utterance each."""

    kinds: list[str]
    texts: list[str]
    audio: list[Audio]


@dataclass(frozen=True, slots=True)
class Joined:
    """A recording of several utterances, and where each is, in milliseconds."""

    audio: Audio
    spans: list[tuple[float, float]]


def disturb_utterances(data: dataset.Dataset) -> Iterator[tuple[str, Spoken]]:
    """Yield the test set clean, with noise over it, and as from a telephone."""
    draw = random.Random("utterances")
    changes: dict[str, Change] = {
        "clean": lambda samples: samples,
        "noise at 10 to 20 dB": lambda samples: speech.add_noise(
            draw, samples, draw.uniform(10, 20)
        ),
        "8 kHz": speech.limit_band,
    }
    kinds, texts = [row.kind for row in data.rows], [row.text for row in data.rows]
    for name, change in changes.items():
        audio = [_to_pcm(change(to_floats(data.audio(row)))) for row in data.rows]
        yield name, Spoken(kinds, texts, audio)


def join_utterances(data: dataset.Dataset) -> Iterator[tuple[str, list[Joined]]]:
    """Yield recordings with gaps of 1 to 2 seconds under each condition."""
    usable = [row for row in data.rows if not row.has_pause]
    for name in ("clean", "noise at 15 to 45 dB", "8 kHz and noise", "tones in the gaps"):
        draw = random.Random(name)
        gaps = streams.Gaps(1.0, 2.0, tone_ratio=0.5 if "tones" in name else 0.0)
        recordings = []
        for _ in range(_STREAMS):
            stream = streams.join(draw, data, draw.sample(usable, _UTTERANCES), gaps)
            samples = stream.samples
            if "noise" in name:
                samples = speech.add_noise(draw, samples, draw.uniform(15, 45))
            if "8 kHz" in name:
                samples = speech.limit_band(samples)
            recordings.append(Joined(_to_pcm(samples), stream.spans))
        yield name, recordings


def leave_quiet() -> Iterator[tuple[str, list[Audio]]]:
    """Yield recordings of four seconds in which nobody speaks."""
    draw = random.Random("quiet")

    def make_steady_tone() -> speech.Samples:
        tone = speech.make_tone(draw.uniform(200, 2000), _QUIET_SAMPLES)
        return tone * 10 ** draw.uniform(-2, -0.1)

    makers: dict[str, Callable[[], speech.Samples]] = {
        "silence": lambda: np.zeros(_QUIET_SAMPLES, np.float32),
        "noise": lambda: speech.make_noise(draw, _QUIET_SAMPLES) * 10 ** draw.uniform(-3, -1),
        "a steady tone": make_steady_tone,
        "440 Hz": lambda: speech.make_tone(440, _QUIET_SAMPLES) * 10 ** draw.uniform(-2, -0.1),
        "beeps": lambda: speech.draw_tones(draw, _QUIET_SAMPLES) * 10 ** draw.uniform(-2, -0.1),
    }
    for name, make in makers.items():
        yield name, [_to_pcm(make()) for _ in range(QUIET_RECORDINGS)]


def to_floats(audio: Audio) -> speech.Samples:
    """Return a recording at full scale 1."""
    return audio.astype(np.float32) / np.float32(32768)


def _to_pcm(samples: speech.Samples) -> Audio:
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)
