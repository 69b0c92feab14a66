"""The audio of one stream in the arena, by position: what is sent to the engine, and when it came.

It stays until it is settled, so that a next engine can have it again.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

from asr_server.link import arena
from asr_server.speech.audio import Samples

# Room is taken and given back in pieces of half a second to two.
LEAST_SAMPLES, MOST_SAMPLES = arena.PIECE_SAMPLES, 32_000


@dataclass(slots=True)
class _Extent:
    """Room in the arena that was filled from its start."""

    start: int
    offset: int
    room: int
    filled: int = 0

    @property
    def end(self) -> int:
        return self.start + self.filled


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples that lie together in the arena."""

    offset: int
    samples: int
    start: int
    """Where they are in the stream."""


class StreamAudio:
    """The unsettled samples of a stream. Positions are in samples from the start of the input."""

    def __init__(self, memory: arena.Arena) -> None:
        self._arena = memory
        self._extents: deque[_Extent] = deque()
        self._ends: list[int] = []  # where each piece ended that came,
        self._times: list[float] = []  # and when
        self.end = 0
        self.sent = 0
        self.settled = 0

    def append(self, samples: Samples, now: float) -> int:
        """Store samples; return how many of them found room."""
        stored = 0
        while (left := len(samples) - stored) and (extent := self._find_room(left)):
            taken = min(left, extent.room - extent.filled)
            self._arena.write(extent.offset + extent.filled, samples[stored : stored + taken])
            extent.filled += taken
            self.end += taken
            stored += taken
        if stored:
            self._ends.append(self.end)
            self._times.append(now)
        return stored

    def take_unsent(self) -> list[Stretch]:
        """Return what the engine does not have yet; it counts as sent."""
        unsent: list[Stretch] = []
        for extent in reversed(self._extents):
            if extent.end <= self.sent:
                break
            skipped = max(0, self.sent - extent.start)
            place = extent.start + skipped
            unsent.append(Stretch(extent.offset + skipped, extent.filled - skipped, place))
        self.sent = self.end
        return unsent[::-1]

    def settle(self, position: int) -> None:
        """Forget what is before `position`."""
        self.settled = max(self.settled, min(position, self.end))
        while self._extents and self._extents[0].start + self._extents[0].room <= self.settled:
            self._arena.release(self._extents.popleft().offset)
        known = bisect_left(self._ends, self.settled)
        del self._ends[:known], self._times[:known]

    def rewind(self) -> None:
        """The engine is gone: all that is not settled is unsent."""
        self.sent = self.settled

    def arrival(self, position: int) -> float | None:
        """Return when the sample before `position` came, or None when no such sample has come."""
        place = bisect_left(self._ends, position)
        return self._times[place] if place < len(self._times) else None

    def release(self) -> None:
        """Give all room back; nothing can be stored after that."""
        while self._extents:
            self._arena.release(self._extents.popleft().offset)

    def _find_room(self, samples: int) -> _Extent | None:
        if self._extents and self._extents[-1].filled < self._extents[-1].room:
            return self._extents[-1]
        room = arena.room_for(min(max(samples, LEAST_SAMPLES), MOST_SAMPLES))
        offset = self._arena.allocate(room)
        if offset is None:
            room = arena.room_for(1)
            offset = self._arena.allocate(room)
        if offset is None:
            return None
        self._extents.append(_Extent(self.end, offset, room))
        return self._extents[-1]
