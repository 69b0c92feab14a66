"""Recognised words, and when each was said. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

Stamp = tuple[int, int]


class Words(NamedTuple):
    """The tokens of a text, and from when to when each was said, in milliseconds.

    `stamps` is empty where that is not told, else as long as `tokens`.
    """

    tokens: tuple[str, ...] = ()
    stamps: tuple[Stamp, ...] = ()

    def later(self, by_ms: int) -> "Words":
        """Return the words as said so much later."""
        moved = ((start + by_ms, end + by_ms) for start, end in self.stamps)
        return self._replace(stamps=tuple(moved))


NO_WORDS = Words()


def join(parts: Iterable[Words]) -> Words:
    """Join words that were said one after the other; no stamps where any part lacks them."""
    tokens: list[str] = []
    stamps: list[Stamp] = []
    for part in parts:
        tokens += part.tokens
        stamps += part.stamps
    return Words(tuple(tokens), tuple(stamps) if len(stamps) == len(tokens) else ())
