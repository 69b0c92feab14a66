"""What is said: phrases of held-out speech, alone or several with pauses. Pure.

Mono 16 kHz int16 throughout.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

RATE_HZ = 16000
BYTES_PER_S = 2 * RATE_HZ
DIGITS = 3
PAUSE_S = 0.6
LOGNORMAL_SIGMA = 0.758  # of live speech between pauses: a mean of 1.33 medians
SHORTEST_S, LONGEST_S = 0.4, 30.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """A recording, and the words in it."""

    text: str
    pcm: bytes
    end_silence_s: float = 0.0
    """How long after its last sample a VAD can know that it has ended."""

    @property
    def duration_s(self) -> float:
        """How long it takes to say."""
        return len(self.pcm) / BYTES_PER_S


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
        spoken = sum(phrase.duration_s for phrase in self.phrases)
        return spoken + PAUSE_S * (len(self.phrases) - 1)

    @property
    def end_silence_s(self) -> float:
        """How long after its last sample a VAD can know that it has ended."""
        return self.phrases[-1].end_silence_s


class Speaking(Protocol):
    """Draws utterances with names of their own. The same seed says the same."""

    def next(self) -> Utterance:
        """Return the next one."""


class Speaker:
    """Says numbers to the base of its phrases, three digits each, and none twice.

    So the words alone tell which utterance was heard.
    """

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
        phrases = [self._phrases[digit] for digit in number]
        return _join("-".join(f"{digit:02d}" for digit in number), phrases)


class PhraseSpeaker:
    """Says phrases as they were recorded: all of them, in an order by chance, then anew."""

    def __init__(self, phrases: Sequence[Phrase], seed: int) -> None:
        self._phrases = phrases
        self._draw = random.Random(seed)
        self._left: list[Phrase] = []
        self._said = 0

    def next(self) -> Utterance:
        """Return the next phrase."""
        if not self._left:
            self._left = self._draw.sample(self._phrases, len(self._phrases))
        self._said += 1
        return _join(f"{self._said:06d}", [self._left.pop()])


class LognormalSpeaker:
    """Says phrases with pauses between them, up to a length from a lognormal distribution.

    Lengths are at least a phrase, at most the one drawn, and drawn from 0.4 to 30 s.
    """

    def __init__(self, phrases: Sequence[Phrase], seed: int, median_s: float) -> None:
        self._phrases = phrases
        self._shortest = min(phrases, key=lambda phrase: phrase.duration_s)
        self._draw = random.Random(seed)
        self._median_s = median_s
        self._said = 0

    def next(self) -> Utterance:
        """Return the next one."""
        drawn_s = self._draw.lognormvariate(math.log(self._median_s), LOGNORMAL_SIGMA)
        chosen = list(self._choose(min(LONGEST_S, max(SHORTEST_S, drawn_s))))
        self._said += 1
        return _join(f"{self._said:06d}", chosen or [self._shortest])

    def _choose(self, left_s: float) -> Iterator[Phrase]:
        while fitting := [phrase for phrase in self._phrases if phrase.duration_s <= left_s]:
            phrase = self._draw.choice(fitting)
            yield phrase
            left_s -= phrase.duration_s + PAUSE_S


def make_speaker(lengths: str, phrases: Sequence[Phrase], seed: int) -> Speaking:
    """Return who speaks as a profile of lengths says: numbers, recorded or lognormal:MEDIAN_S.

    Raises ValueError when it is no profile, or there are too few phrases for it.
    """
    name, _, number = lengths.partition(":")
    match name:
        case "recorded" if not number:
            return PhraseSpeaker(phrases, seed)
        case "numbers" if not number:
            if len(phrases) < DIGITS + 1:
                raise ValueError("numbers are made of four recordings at least")
            return Speaker(phrases, seed)
        case "lognormal":
            return LognormalSpeaker(phrases, seed, _parse_median(number))
    raise ValueError(f"{lengths!r} is none of recorded, numbers, lognormal:MEDIAN_S")


def words(text: str) -> str:
    """Return the letters and digits alone: punctuation is not spoken."""
    return re.sub(r"\W", "", text)


def _parse_median(number: str) -> float:
    try:
        median_s = float(number)
    except ValueError:
        median_s = math.nan
    if not SHORTEST_S <= median_s <= LONGEST_S:
        raise ValueError(f"lognormal:{number}: the median is 0.4 to 30 seconds")
    return median_s


def _join(name: str, phrases: Sequence[Phrase]) -> Utterance:
    return Utterance(name, "".join(phrase.text for phrase in phrases), tuple(phrases))
