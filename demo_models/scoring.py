"""How recognised words and found speech are scored."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asr_server.bench.scoring import count_errors

Span = tuple[float, float]
_COVERED_RATIO = 0.5
_NOT_SPOKEN = re.compile(r"[\W_]")


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the errors per character of (reference, recognised) pairs of texts."""
    errors = characters = 0
    for reference, recognised in pairs:
        wanted, found = bare(reference), bare(recognised)
        errors += count_errors(wanted, found)
        characters += len(wanted)
    return errors / characters


def bare(text: str) -> str:
    """Return what is spoken of a text: spaces, marks and capitals do not count."""
    return _NOT_SPOKEN.sub("", text).lower()


@dataclass(slots=True)
class SpeechFound:
    """What became of spoken spans: found or missed, and found together with a neighbour (merged).

    A false span holds no speech at all.
    """

    found: int = 0
    missed: int = 0
    false: int = 0
    merged: int = 0

    def add(self, spoken: Sequence[Span], detected: Sequence[Span]) -> None:
        """Count one recording; half of a spoken span must be covered for it to be found."""
        hits = [[span for span in spoken if _covers(one, span)] for one in detected]
        found = {span for hit in hits for span in hit}
        self.found += len(found)
        self.missed += len(spoken) - len(found)
        self.false += sum(not any(_overlap(one, span) > 0 for span in spoken) for one in detected)
        self.merged += sum(len(hit) - 1 for hit in hits if hit)

    def __str__(self) -> str:
        return (
            f"{self.found} of {self.found + self.missed} utterances found, "
            f"{self.false} false, {self.merged} merged"
        )


def _overlap(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def _covers(detected: Span, spoken: Span) -> bool:
    return _overlap(detected, spoken) > _COVERED_RATIO * (spoken[1] - spoken[0])
