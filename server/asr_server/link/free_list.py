"""The free extents of an arena: first fit, coalescing, units of the caller's choice.

Pure bookkeeping; nothing here touches memory.
"""

from bisect import bisect_left


class FreeList:
    """Give out and take back extents of `[0, size)`; no two extents given out overlap."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._starts = [0] if size else []  # free extents, sorted, never touching each other
        self._lengths = [size] if size else []
        self._taken: dict[int, int] = {}

    @property
    def free(self) -> int:
        """The units that are not given out, in however many pieces."""
        return sum(self._lengths)

    @property
    def largest(self) -> int:
        """The longest extent that can be taken now."""
        return max(self._lengths, default=0)

    def length(self, start: int) -> int:
        """Return the length of the extent that starts at `start`. KeyError if not given out."""
        return self._taken[start]

    def take(self, length: int) -> int | None:
        """Return the start of the first free extent that holds `length`, or None; it is taken."""
        if length < 1:
            raise ValueError(f"an extent has at least one unit, not {length}")
        for place, available in enumerate(self._lengths):
            if available >= length:
                return self._carve(place, length)
        return None

    def give_back(self, start: int) -> int:
        """Free the extent that starts at `start`; return its length. KeyError if not given out."""
        length = self._taken.pop(start)
        self._free(start, length)
        return length

    def shrink(self, start: int, most: int) -> tuple[int, int]:
        """Free the last `most` units of the extent at `start`, or all that it has.

        Return where they begin and how many they are. KeyError if it is not given out.
        """
        length = self._taken[start]
        if length <= most:
            return start, self.give_back(start)
        self._taken[start] = length - most
        self._free(start + length - most, most)
        return start + length - most, most

    def _free(self, start: int, length: int) -> None:
        place = bisect_left(self._starts, start)
        end = start + length
        merged_start, merged_end = start, end
        first, last = place, place  # the free extents that this one swallows
        if place and self._starts[place - 1] + self._lengths[place - 1] == start:
            first = place - 1
            merged_start = self._starts[first]
        if place < len(self._starts) and self._starts[place] == end:
            last = place + 1
            merged_end = end + self._lengths[place]
        self._starts[first:last] = [merged_start]
        self._lengths[first:last] = [merged_end - merged_start]

    def _carve(self, place: int, length: int) -> int:
        start = self._starts[place]
        if self._lengths[place] == length:
            del self._starts[place], self._lengths[place]
        else:
            self._starts[place] += length
            self._lengths[place] -= length
        self._taken[start] = length
        return start
