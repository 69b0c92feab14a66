"""The filter bank of a stream's audio that is not settled: the VAD makes it, recognisers use it.

It never reaches back much further than the longest utterance, whatever waits: what is missing is
computed again.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from asr_server.speech.sounds import BANK_MS, Bank

FRAME_SAMPLES = BANK_MS * 16
LEAD_FRAMES = 16  # more than a streaming model needs of the audio before a piece
MOST_FRAMES = 7000


class StreamBank:
    """Parts in the order they came; positions are samples from the start of the stream."""

    __slots__ = ("_begin", "_frames", "_parts", "_starts")

    def __init__(self, begin: int) -> None:
        self._begin = begin  # of the first frame
        self._frames = 0
        self._parts: list[Any] = []
        self._starts: list[int] = []  # the number of each part's first frame

    def add(self, parts: Sequence[Any]) -> None:
        """Append what became known."""
        for part in parts:
            self._parts.append(part)
            self._starts.append(self._frames)
            self._frames += len(part)
        if parts:
            self._forget(self._frames - MOST_FRAMES)

    def cut(self, start: int, end: int) -> Bank | None:
        """Return what is known of `[start, end)`, and of the audio just before it."""
        first, odd = divmod(start - self._begin, FRAME_SAMPLES)
        if odd or not self._parts:
            return None
        place = max(0, bisect_right(self._starts, first - LEAD_FRAMES) - 1)
        stop = bisect_left(self._starts, first + (end - start) // FRAME_SAMPLES)
        return Bank(self._parts[place:stop], first - self._starts[place])

    def release(self, position: int) -> None:
        """Forget the parts that end before `position`."""
        if self._parts:
            self._forget((position - self._begin) // FRAME_SAMPLES)

    def _forget(self, frame: int) -> None:
        gone = bisect_right(self._starts, frame) - 1
        if gone > 0:
            del self._starts[:gone], self._parts[:gone]
