"""Which items the engine may have, and which of them is to blame when it dies. Pure.

Rules
1. An item is in one place: waiting, in the engine, or gone (answered, cancelled, blamed).
2. Items that were in the engine when it died are suspects. They go first, one at a time and with
   nothing beside them, so that an item that kills the engine again is known, and others cleared.
3. A suspect that was alone in the engine when it died is to blame: it has killed twice.
4. With no suspects left, everything goes at once: batching is the engine's affair.
"""

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
        self._waiting: dict[int, Item] = {}  # each in the order in which they came
        self._suspects: dict[int, Item] = {}
        self._in_engine: dict[int, Item] = {}
        self._on_trial: int | None = None

    @property
    def engine_has_items(self) -> bool:
        """Whether the engine has anything to answer."""
        return bool(self._in_engine)

    @property
    def longest_samples(self) -> int:
        """The samples of the longest item that the engine has; 0 when it has none."""
        return max((item.samples for item in self._in_engine.values()), default=0)

    def add(self, item: Item) -> None:
        """Take a new item."""
        self._waiting[item.item_id] = item

    def take(self) -> list[Item]:
        """Return what is to be sent to a living engine now; it counts as sent."""
        if self._on_trial is not None or (self._suspects and self._in_engine):
            return []
        if self._suspects:
            self._on_trial = next(iter(self._suspects))
            taken = {self._on_trial: self._suspects.pop(self._on_trial)}
        else:
            taken, self._waiting = self._waiting, {}
        self._in_engine.update(taken)
        return list(taken.values())

    def remove(self, item_id: int) -> bool:
        """Forget an answered or cancelled item, in constant time; say whether the engine had it."""
        if self._in_engine.pop(item_id, None) is not None:
            if self._on_trial == item_id:
                self._on_trial = None
            return True
        self._waiting.pop(item_id, None)
        self._suspects.pop(item_id, None)
        return False

    def lose_engine(self) -> Item | None:
        """The engine died: suspect what it had; return the item that is to blame, if known."""
        lost, self._in_engine = self._in_engine, {}
        blamed, self._on_trial = self._on_trial, None
        if blamed is not None:
            return lost[blamed]
        self._suspects.update(lost)
        return None
