"""The streaming VAD's way through audio that may still grow, piece by piece.

1. One piece at a time: all that is there when its batch begins, but never more than the most.
2. The piece with which the audio ends is the last one, even if there is nothing in it.
"""

from typing import Any, Protocol

from asr_server.engine import feeds, pipeline, stages
from asr_server.scheduling import work
from asr_server.speech import pieces

MOST_SAMPLES = 60 * 16_000  # of one piece, which bounds the batch that others wait for


class Owner(Protocol):
    """Whose audio it is."""

    def piece_work(self, start: int, end: int, now: float) -> work.WorkItem:
        """Return the work of hearing the samples from `start` to `end`."""

    def take_endpoints(self, found: pieces.Endpoints[Any], now: float, *, last: bool) -> None:
        """Take what the VAD knows after a piece, the last or another."""

    def fail(self, reason: str) -> None:
        """Take note that the VAD cannot go on."""


class Listener:
    """What the VAD has heard of one source of audio: everything before `heard`.

    It has been given what is before `given`, which is more while a batch runs.
    """

    __slots__ = (
        "_audio", "_hears_last", "_is_hearing", "_line", "_owner", "_state", "given", "heard",
        "is_closed",
    )  # fmt: skip

    def __init__(self, line: pipeline.Pipeline, audio: feeds.Feeds, start: int, owner: Owner):
        self._line = line
        self._audio = audio
        self._owner = owner
        self._state = line.streaming_vad.start()
        self.is_closed = False
        self._is_hearing = self._hears_last = False
        self.given = self.heard = start

    def listen(self, now: float) -> None:
        """Let what is unheard wait for the VAD, now or after the piece that it hears."""
        if self._is_hearing:
            return
        end = min(self.heard + MOST_SAMPLES, self._audio.end)
        item = self._owner.piece_work(self.heard, end, now)
        self._line.pieces.add(stages.Task(item, self._next_piece, self._take, self._owner.fail))

    def close(self, now: float) -> None:
        """No more audio comes."""
        self.is_closed = True
        self.listen(now)

    def forget(self) -> None:
        """Let go of what the VAD remembers, and of the owner, who may hold this: none else does."""
        self._state = None
        del self._owner

    def _next_piece(self) -> pieces.Piece[Any]:
        self.given = min(self.heard + MOST_SAMPLES, self._audio.end)
        self._hears_last = self.is_closed and self.given == self._audio.end
        self._is_hearing = True
        audio = self._audio.audio(self.heard, self.given)
        return pieces.Piece(self._state, audio, last=self._hears_last)

    def _take(self, found: pieces.Endpoints[Any], now: float) -> None:
        self._is_hearing = False
        self._state = found.state
        self.heard = self.given
        if self.heard < self._audio.end or (self.is_closed and not self._hears_last):
            self.listen(now)
        self._owner.take_endpoints(found, now, last=self._hears_last)
