"""What models remember of many streams, in one tensor: a batch is read, or written, in one step.

A value is never changed: new ones go to places that nobody holds, so that a batch that failed can
be tried again with what it had. Reads and writes of a GPU follow each other in its one CUDA stream.
"""

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from asr_server.models import staging

_FIRST_PLACES = 16


class Slot:
    """A place whose value stays as it is for as long as somebody holds this."""

    __slots__ = ("_free", "place")

    def __init__(self, place: int, free: list[int]) -> None:
        self.place = place
        self._free = free

    def __del__(self) -> None:
        self._free.append(self.place)  # no lock: it may be called while this thread has that


class Slots:
    """Values of one shape. Batches may run in several threads.

    It grows by doubling and never shrinks: it has room for twice what was held at a time, at most.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
        self._values = torch.empty(_FIRST_PLACES, *shape, dtype=dtype, device=device)
        self._free = list(range(_FIRST_PLACES))
        self._lock = threading.Lock()

    def read(self, slots: Sequence[Slot]) -> Tensor:
        """Return the values as (slots, *shape)."""
        return self._values.index_select(0, self._index(slots))

    def write(self, values: Tensor) -> list[Slot]:
        """Keep (values, *shape), each in a slot of its own."""
        with self._lock:  # a tensor that is about to be left behind must not be written
            while len(self._free) < len(values):
                self._grow()
            slots = [Slot(self._free.pop(), self._free) for _ in range(len(values))]
            self._values.index_copy_(0, self._index(slots), values)
        return slots

    def _grow(self) -> None:
        places, *shape = self._values.shape
        grown = self._values.new_empty(2 * places, *shape)
        grown[:places] = self._values
        self._values = grown
        self._free += range(places, 2 * places)

    def _index(self, slots: Sequence[Slot]) -> Tensor:
        places = [slot.place for slot in slots]
        return staging.put_list(places, self._values.device, torch.int64)
