"""The order of replies: they leave in the order of the inputs that they answer. Pure.

An offline input has one place, which is filled when the engine has answered. A live one has a place
too, and what it says leaves at once while all before it is done.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from asr_server.speech.effects import Increment, Outgoing


@dataclass(slots=True)
class Slot:
    """A place in the order of replies; nothing behind it leaves while it is `open`."""

    replies: deque[Outgoing] = field(default_factory=deque)
    open: bool = False

    def add(self, replies: Iterable[Outgoing]) -> None:
        """Add replies; one that only adds text to the last one is joined with it."""
        for reply in replies:
            last = self.replies[-1] if self.replies else None
            joined = join_increments(last, reply)
            if joined is not None:
                self.replies[-1] = joined
            else:
                self.replies.append(reply)


class Outbox:
    """The replies of one session that have not left."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()

    @property
    def waiting(self) -> int:
        """The number of places that are not done, each of the last one's replies being one too."""
        return len(self._slots) - 1 + max(1, len(self._slots[-1].replies)) if self._slots else 0

    def append(self, slot: Slot) -> None:
        """Give a place behind all others."""
        self._slots.append(slot)

    def flush(self) -> list[Outgoing]:
        """Return what may leave now."""
        ready: list[Outgoing] = []
        while self._slots:
            head = self._slots[0]
            ready += head.replies
            head.replies.clear()
            if head.open:
                break
            self._slots.popleft()
        return ready


def join_increments(last: Outgoing | None, new: Outgoing) -> Increment | None:
    """Return the two as one, if both add to the text of the same utterance."""
    if isinstance(last, Increment) and isinstance(new, Increment) and last.key == new.key:
        return replace(new, text=last.text + new.text)
    return None
