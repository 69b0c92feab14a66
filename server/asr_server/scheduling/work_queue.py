"""The work that waits for one stage, most urgent first. A data structure: no clock, no threads."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from asr_server.scheduling import work

LOOK_AHEAD = 512  # items that the batch rule chooses among, which bounds the cost of one decision


class WorkQueue:
    """Items in the order of their urgency; equally urgent ones in the order they came."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, work.WorkItem]] = []
        self._places: dict[int, dict[int, tuple[float, int]]] = {}  # by item_id, by index
        self._counts = dict.fromkeys(work.LAG_S, 0)
        self._added = 0
        self._files_wait = False

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[work.WorkItem]:
        return (item for _, _, item in self._entries)

    @property
    def head(self) -> work.WorkItem | None:
        """The most urgent item, if any waits."""
        return self._entries[0][2] if self._entries else None

    @property
    def candidates(self) -> int:
        """How many items may be in a batch with the head, if there is room."""
        return len(self._entries) - (self._counts["file"] if self._passes_files_by else 0)

    @property
    def most_urgent(self) -> float:
        """The urgency of the head; infinite when nothing waits."""
        return self._entries[0][0] if self._entries else float("inf")

    def first_due(self, item_class: work.ItemClass) -> float:
        """Return when the most urgent item of this class is due; infinite if there is none."""
        if not self._counts[item_class]:
            return float("inf")
        found = (urgency for urgency, _, item in self._entries if item.item_class == item_class)
        return next(found, float("inf")) - work.LAG_S[item_class]

    def add(self, item: work.WorkItem) -> None:
        """Put an item where its urgency belongs; it replaces one of the same id and index."""
        siblings = self._places.setdefault(item.item_id, {})
        place = siblings.get(item.index)
        if place is not None:
            self._delete(place)
        self._added += 1
        urgency = work.urgency(item, files_wait=self._files_wait)
        siblings[item.index] = urgency, self._added
        entry = (urgency, self._added, item)
        if self._entries and self._entries[-1] > entry:
            insort(self._entries, entry)
        else:
            self._entries.append(entry)
        self._counts[item.item_class] += 1

    def hold_files(self, *, wait: bool) -> None:
        """Let files stand behind all that is live, or where their own urgency belongs."""
        if wait != self._files_wait:
            self._files_wait = wait
            items, self._entries, self._places = list(self), [], {}
            self._counts = dict.fromkeys(work.LAG_S, 0)
            for item in items:
                self.add(item)

    def look_ahead(self) -> list[work.WorkItem]:
        """Return the most urgent items, most urgent first: what a batch may be chosen from.

        Files that wait fill no batch of what is live.
        """
        items = [item for _, _, item in self._entries[:LOOK_AHEAD]]
        if self._passes_files_by:
            return [item for item in items if item.item_class != "file"]
        return items

    def remove(self, chosen: Iterable[work.WorkItem]) -> None:
        """Take out items, as far as they are there."""
        for item in chosen:
            siblings = self._places.get(item.item_id)
            place = siblings.pop(item.index, None) if siblings else None
            if place is not None:
                self._delete(place)
                if not siblings:
                    del self._places[item.item_id]

    def discard(self, item_id: int) -> None:
        """Drop everything that has this id, if anything does; the rest is not looked at."""
        for place in self._places.pop(item_id, {}).values():
            self._delete(place)

    @property
    def _passes_files_by(self) -> bool:
        return self._files_wait and self.head is not None and self.head.item_class != "file"

    def _delete(self, place: tuple[float, int]) -> None:
        entries = self._entries
        at = 0 if entries[0][:2] == place else bisect_left(entries, place)  # a batch begins there
        _, _, item = entries.pop(at)
        self._counts[item.item_class] -= 1
