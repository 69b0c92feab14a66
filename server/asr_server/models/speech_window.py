"""How many of the last frames a VAD network called speech: the window of `endpointing`. Pure.

For a short piece of a live stream one number is the window, whose bits are counted per frame; for a
recording, or a long piece, arrays cost less. Frames count from the start of the stream.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr_server.models.endpoint_rules import Rules

FEW_FRAMES = 40  # up to here counting bits is faster than arrays
_BLOCK_FRAMES = 512


class Window(Protocol):
    """How many of the last frames were speech, at each frame of a piece."""

    total: int  # frames of the stream, with the piece

    @property
    def recent(self) -> int:
        """The flags that the window may still count after the piece, as bits."""

    def restart(self, frame: int) -> None:
        """Forget the frames before `frame`."""

    def next_speech(self, frame: int) -> int | None:
        """Return the first frame, from `frame` on, at which speech has begun."""

    def next_pause(self, frame: int) -> int | None:
        """Return the first frame, from `frame` on, at which speech has paused."""


class _FewFrames:
    """A window over a piece of a live stream: one number, whose bits are counted per frame."""

    def __init__(self, bits: int, total: int, rules: Rules):
        self.rules = rules
        self.total = total
        self.mask = (1 << rules.width) - 1
        self.bits = bits

    @property
    def recent(self) -> int:
        return self.bits & self.mask

    def restart(self, frame: int) -> None:
        self.bits &= (1 << (self.total - frame)) - 1

    def next_speech(self, frame: int) -> int | None:
        wanted = self.rules.speech
        if self.bits.bit_count() < wanted:
            return None
        bits, mask, newest = self.bits, self.mask, self.total - 1
        for place in range(frame, self.total):
            if (bits >> newest - place & mask).bit_count() >= wanted:
                return place
        return None

    def next_pause(self, frame: int) -> int | None:
        wanted = self.rules.pause
        bits, mask, newest = self.bits, self.mask, self.total - 1
        for place in range(frame, self.total):
            if (bits >> newest - place & mask).bit_count() <= wanted:
                return place
        return None


class _ManyFrames:
    """A window over a recording, or a long piece: counted in arrays."""

    def __init__(self, recent: int, frames: int, is_speech: NDArray[np.bool_], rules: Rules):
        self.rules = rules
        self.width = rules.width
        before = [recent >> place & 1 for place in reversed(range(self.width))]
        self.flags = np.concatenate([np.array(before, dtype=np.bool_), is_speech])
        self.first = frames  # the frame of counts[0]
        self.total = frames + len(is_speech)
        self.sums = np.concatenate([[0], np.cumsum(self.flags, dtype=np.int64)])
        self.counts = self.sums[self.width + 1 :] - self.sums[1 : len(is_speech) + 1]

    @property
    def recent(self) -> int:
        last = self.flags[len(self.flags) - self.width :]
        return sum(1 << place for place in np.flatnonzero(last[::-1]).tolist())

    def restart(self, frame: int) -> None:
        start = frame - self.first
        stop = min(start + self.width, len(self.counts))
        self.flags[: self.width + start] = False
        past = self.sums[self.width + start]
        self.counts[start:stop] = self.sums[self.width + start + 1 : self.width + stop + 1] - past

    def next_speech(self, frame: int) -> int | None:
        wanted = self.rules.speech
        return self._first(frame, lambda counts: counts >= wanted)

    def next_pause(self, frame: int) -> int | None:
        wanted = self.rules.pause
        return self._first(frame, lambda counts: counts <= wanted)

    def _first(
        self, frame: int, condition: Callable[[NDArray[np.int64]], NDArray[np.bool_]]
    ) -> int | None:
        for start in range(frame - self.first, len(self.counts), _BLOCK_FRAMES):
            hits = condition(self.counts[start : start + _BLOCK_FRAMES])
            first = int(hits.argmax())
            if hits[first]:
                return self.first + start + first
        return None


def open_few(bits: int, total: int, rules: Rules) -> Window:
    """Return the window over a piece of a few frames, after which there are `total`.

    `bits` are the piece, the newest frame lowest, and above it what the window had before.
    """
    return _FewFrames(bits, total, rules)


def open_window(recent: int, frames: int, is_speech: NDArray[np.bool_], rules: Rules) -> Window:
    """Return the window over a piece that follows `frames` frames, whose newest are `recent`."""
    count = len(is_speech)
    if count > FEW_FRAMES:
        return _ManyFrames(recent, frames, is_speech, rules)
    (bits,) = pack(is_speech[None], [count])
    return open_few(recent << count | bits, frames + count, rules)


def pack(speech: NDArray[np.bool_], counts: Sequence[int]) -> list[int]:
    """Return the first frames of each of (rows, time) as bits, the last of them lowest.

    There are `FEW_FRAMES` at most.
    """
    time = speech.shape[1]
    packed = speech @ (1 << np.arange(time - 1, -1, -1))
    numbers: list[int] = (packed >> (time - np.asarray(counts))).tolist()
    return numbers
