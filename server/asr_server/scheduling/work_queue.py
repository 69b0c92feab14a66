"""The work that waits for one stage, most urgent first. A data structure: no clock, no threads."""

from bisect import insort
from collections.abc import Collection, Iterator

from asr_server.scheduling import work

LOOK_AHEAD = 512  # items that the batch rule chooses among, which bounds the cost of one decision


class WorkQueue:
    """Items in the order of their urgency; equally urgent ones in the order they came."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, work.WorkItem]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[work.WorkItem]:
        return (item for _, _, item in self._entries)

    @property
    def most_urgent(self) -> float:
        """The urgency of the head; infinite when nothing waits."""
        return self._entries[0][0] if self._entries else float("inf")

    def add(self, item: work.WorkItem) -> None:
        """Put an item where its urgency belongs."""
        self._added += 1
        insort(self._entries, (work.urgency(item), self._added, item))

    def look_ahead(self) -> list[work.WorkItem]:
        """Return the most urgent items, most urgent first: what a batch may be chosen from."""
        return [item for _, _, item in self._entries[:LOOK_AHEAD]]

    def remove(self, chosen: Collection[work.WorkItem]) -> None:
        """Take out items that `look_ahead` returned."""
        gone = {(item.item_id, item.index) for item in chosen}
        self._entries[:LOOK_AHEAD] = [
            entry
            for entry in self._entries[:LOOK_AHEAD]
            if (entry[2].item_id, entry[2].index) not in gone
        ]

    def discard(self, item_id: int) -> None:
        """Drop everything that belongs to an utterance, if anything does."""
        self._entries = [entry for entry in self._entries if entry[2].item_id != item_id]
