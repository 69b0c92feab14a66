"""The audio of a stream that is not settled: where in the arena each stretch of it lies."""

from bisect import bisect_right

import numpy as np

from asr_server.engine.protocols import Audio


class Feeds:
    """Stretches of a stream in the order they came; positions are samples from its start."""

    __slots__ = ("_arena", "_offsets", "_starts", "end")

    def __init__(self, arena: Audio, start: int) -> None:
        self._arena = arena
        self._starts: list[int] = []
        self._offsets: list[int] = []
        self.end = start

    def add(self, offset: int, samples: int) -> None:
        """Append a stretch. ValueError if it is not in the arena."""
        if offset < 0 or samples < 0 or offset + samples > len(self._arena):
            raise ValueError(f"samples {offset} to {offset + samples} are not in the arena")
        if not self._starts or self._offsets[-1] + self.end - self._starts[-1] != offset:
            self._starts.append(self.end)
            self._offsets.append(offset)
        self.end += samples

    def audio(self, start: int, end: int) -> Audio:
        """Return the samples of `[start, end)`, of which nothing was released."""
        parts = []
        place = bisect_right(self._starts, start) - 1
        if place == len(self._starts) - 1 and start < end:
            begin = self._offsets[place] + start - self._starts[place]
            return self._arena[begin : begin + end - start]
        while start < end:
            stop = self._starts[place + 1] if place + 1 < len(self._starts) else self.end
            stop = min(stop, end)
            begin = self._offsets[place] + start - self._starts[place]
            parts.append(self._arena[begin : begin + stop - start])
            start, place = stop, place + 1
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else self._arena[:0]

    def release(self, position: int) -> None:
        """Forget the stretches that end before `position`; they may be overwritten from now on."""
        gone = bisect_right(self._starts, position) - 1
        if position >= self.end:
            gone = len(self._starts)
        if gone > 0:
            del self._starts[:gone], self._offsets[:gone]
