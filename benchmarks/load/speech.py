"""What is said: numbers to base 24, each digit a phrase of held-out speech, no number twice.

A number has three different phrases with a pause between them, which is shorter than what ends a
sentence. So the words alone tell which utterance was heard. Mono 16 kHz int16 throughout.
"""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16000
BYTES_PER_S = 2 * RATE_HZ
SPEECH = Path(__file__).parents[2] / "tests" / "data" / "utterances"
# Those that the demo models hear without a mistake among 2,400 numbers, and that are short.
CLEAR = [
    5,
    7,
    8,
    10,
    12,
    13,
    15,
    17,
    18,
    26,
    28,
    35,
    37,
    39,
    44,
    46,
    48,
    51,
    56,
    65,
    66,
    67,
    69,
    71,
]
DIGITS = 3
PAUSE_S, EDGE_S = 0.6, 0.1
QUIET = 160  # of 32768


@dataclass(frozen=True, slots=True)
class Phrase:
    """A recording without the silence around it, and the words in it."""

    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to say, and the words by which it is known again."""

    name: str
    text: str
    phrases: tuple[Phrase, ...]

    @property
    def pcm(self) -> bytes:
        """The samples, put together anew each time: all at once would fill the memory."""
        pause = bytes(int(PAUSE_S * RATE_HZ) * 2)
        return pause.join(phrase.pcm for phrase in self.phrases)

    @property
    def duration_s(self) -> float:
        """How long it takes to say."""
        spoken = sum(len(phrase.pcm) for phrase in self.phrases) / BYTES_PER_S
        return spoken + PAUSE_S * (len(self.phrases) - 1)


def load_phrases(folder: Path = SPEECH) -> list[Phrase]:
    """Read the clear phrases."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    texts = {row["name"]: row["text"] for row in manifest["utterances"]}
    names = (f"{number:03d}" for number in CLEAR)
    return [Phrase(texts[name], read_speech(folder / f"{name}.flac")) for name in names]


def read_speech(path: Path) -> bytes:
    """Read a recording, and cut the silence around it down to `EDGE_S`."""
    audio, rate_hz = soundfile.read(path, dtype="int16")
    if rate_hz != RATE_HZ:
        raise ValueError(f"{path} has {rate_hz} samples a second, not {RATE_HZ}")
    loud = np.flatnonzero(np.abs(audio) > QUIET)
    edge = int(EDGE_S * RATE_HZ)
    return bytes(audio[max(0, loud[0] - edge) : loud[-1] + 1 + edge].tobytes())


class Speaker:
    """Draws utterances, none twice. The same seed says the same in the same order."""

    def __init__(self, phrases: Sequence[Phrase], seed: int) -> None:
        self._phrases = phrases
        self._draw = random.Random(seed)
        self._said: set[tuple[int, ...]] = set()

    def next(self) -> Utterance:
        """Return something that was not said yet. Raises ValueError when all was said."""
        count = len(self._phrases)
        if len(self._said) >= count * (count - 1) * (count - 2):
            raise ValueError(f"nothing is left to say after {len(self._said)} utterances")
        while (number := tuple(self._draw.sample(range(count), DIGITS))) in self._said:
            pass
        self._said.add(number)
        phrases = tuple(self._phrases[digit] for digit in number)
        name = "-".join(f"{digit:02d}" for digit in number)
        return Utterance(name, "".join(phrase.text for phrase in phrases), phrases)


def words(text: str) -> str:
    """Return the letters and digits alone: punctuation is not spoken."""
    return re.sub(r"\W", "", text)
