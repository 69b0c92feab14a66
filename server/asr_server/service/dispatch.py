"""Which items the engine may have, and which of them is to blame when it dies. Pure.

Rules
1. An item is in one place: waiting, in the engine, or gone (answered, cancelled, blamed).
2. Items that were in the engine when it died are suspects. They go first, one at a time and with
   nothing beside them, so that an item that kills the engine again is known, and others cleared.
3. A suspect that was alone in the engine when it died is to blame: it has killed twice.
4. With no suspects left, everything goes at once: batching is the engine's affair.
"""

from collections import deque
from dataclasses import dataclass

from asr_server.link.messages import ItemClass
from asr_server.speech.hints import NO_HINTS, Hints


@dataclass(frozen=True, slots=True)
class Item:
    """An utterance in the arena; times are monotonic seconds."""

    item_id: int
    item_class: ItemClass
    offset: int
    samples: int
    received_at: float
    deadline: float
    hints: Hints = NO_HINTS


class Dispatch:
    """The items that have not been answered."""

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._suspects: deque[Item] = deque()
        self._in_engine: dict[int, Item] = {}
        self._on_trial: int | None = None

    @property
    def longest_samples(self) -> int:
        """The samples of the longest item that the engine has; 0 when it has none."""
        return max((item.samples for item in self._in_engine.values()), default=0)

    def add(self, item: Item) -> None:
        """Take a new item."""
        self._waiting.append(item)

    def take(self) -> list[Item]:
        """Return what is to be sent to a living engine now; it counts as sent."""
        if self._on_trial is not None or (self._suspects and self._in_engine):
            return []
        if self._suspects:
            taken = [self._suspects.popleft()]
            self._on_trial = taken[0].item_id
        else:
            taken, self._waiting = list(self._waiting), deque()
        self._in_engine.update((item.item_id, item) for item in taken)
        return taken

    def remove(self, item_id: int) -> bool:
        """Forget an answered or cancelled item; say whether the engine had it."""
        if self._in_engine.pop(item_id, None) is not None:
            if self._on_trial == item_id:
                self._on_trial = None
            return True
        for queue in (self._waiting, self._suspects):
            for item in queue:
                if item.item_id == item_id:
                    queue.remove(item)
                    return False
        return False

    def lose_engine(self) -> Item | None:
        """The engine died: suspect what it had; return the item that is to blame, if known."""
        lost, self._in_engine = list(self._in_engine.values()), {}
        if self._on_trial is not None:
            self._on_trial = None
            return lost[0]
        self._suspects.extend(lost)
        return None
