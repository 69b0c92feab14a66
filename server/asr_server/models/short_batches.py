"""Paraformer for short batches on a GPU: padded to one of some shapes, and launched as a whole.

A batch of four utterances of two seconds keeps an H100 busy for a tenth of the time in which its
kernels are launched one by one (benchmarks/README.md). Long batches are worth their launches, and
would pay for the padding.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_server.models import cuda_graph, overflow, paraformer, staging

ROWS = (1, 2, 4, 8, 16, 32)
STEPS = (16, 24, 32, 48, 64, 96, 128, 168)  # of 60 ms
MOST_STEPS = 1100  # of all rows

_Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the launches of a shape find their inputs, (rows, steps, ...) or (rows) each."""

    features: Tensor
    hidden: Tensor
    sums: Tensor
    lengths: Tensor
    counts: Tensor


class ShortBatches:
    """A network's `encode` and `decode` for batches that fit one of the shapes recorded.

    The inputs of all shapes lie in the same memory: one batch is written and launched at a time.
    """

    def __init__(
        self, network: paraformer.Paraformer, width: int, record: cuda_graph.Recorder
    ) -> None:
        weight = network.encoder.after_norm.weight
        device, size, most_rows = weight.device, len(weight), ROWS[-1]
        self._network = network
        self._lock = threading.Lock()
        with torch.inference_mode():
            self._features = torch.zeros(MOST_STEPS * width, device=device)
            self._hidden = weight.new_zeros(MOST_STEPS * size)
            self._sums = weight.new_zeros(MOST_STEPS + 2 * most_rows, dtype=torch.float64)
            self._numbers = torch.zeros(2, most_rows, dtype=torch.int64, device=device)
            self._shapes = {
                (rows, steps): self._record(record, (rows, steps))
                for steps in reversed(STEPS)
                for rows in ROWS
                if rows * steps <= MOST_STEPS
            }
        self._positions = network.encoder.positions  # read by launches, also when it is replaced

    def __len__(self) -> int:
        return len(self._shapes)

    def encode(self, features: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor] | None:
        """Return what the network's `encode` does, with more steps; None for too large a batch."""
        rows, steps, _ = features.shape
        shape = _find_shape(rows, steps)
        if shape not in self._shapes:
            return None
        with self._lock:
            places = self._place(shape)
            places.features[:rows, :steps] = features
            _write(places.lengths, lengths)
            hidden, sums = self._shapes[shape][0]()
        return hidden[:rows], sums[:rows]

    def choose(
        self, hidden: Tensor, sums: Tensor, lengths: Sequence[int], counts: Sequence[int]
    ) -> Tensor | None:
        """Return the symbols of what `encode` returned; None where more is said than is usual.

        They are int64 (rows, tokens), `overflow.NO_SYMBOL` where a score is NaN.
        """
        rows, steps, _ = hidden.shape
        shape = _find_shape(rows, steps)
        if shape not in self._shapes or shape[1] != steps or max(counts) > steps // 2:
            return None
        with self._lock:
            places = self._place(shape)
            places.hidden[:rows], places.sums[:rows] = hidden, sums
            _write(places.lengths, lengths)
            _write(places.counts, counts)
            (symbols,) = self._shapes[shape][1]()
        return symbols[:rows]

    def _record(
        self, record: cuda_graph.Recorder, shape: _Shape
    ) -> tuple[cuda_graph.Launch, cuda_graph.Launch]:
        network, places = self._network, self._place(shape)
        tokens = shape[1] // 2  # eight a second, where people say four or five

        def choose(*places: Tensor) -> tuple[Tensor]:
            return (overflow.choose(network.decode_before(*places, tokens=tokens)),)

        return (
            record(network.encode_before, places.features, places.lengths),
            record(choose, places.hidden, places.sums, places.lengths, places.counts),
        )

    def _place(self, shape: _Shape) -> _Places:
        rows, steps = shape
        lengths, counts = self._numbers[:, :rows]
        return _Places(
            _shaped(self._features, rows, steps),
            _shaped(self._hidden, rows, steps),
            self._sums[: rows * (steps + 2)].view(rows, steps + 2),
            lengths,
            counts,
        )


def _shaped(room: Tensor, rows: int, steps: int) -> Tensor:
    size = len(room) // MOST_STEPS
    return room[: rows * steps * size].view(rows, steps, size)


def _write(place: Tensor, values: Sequence[int]) -> None:
    """Write numbers of rows; the rows that only pad have zero."""
    padded = [*values, *[0] * (len(place) - len(values))]
    place.copy_(staging.put_list(padded, place.device))


def _find_shape(rows: int, steps: int) -> _Shape | None:
    """Return the smallest shape that holds a batch, if one does."""
    fitting = [next((each for each in sizes if each >= size), None)
               for sizes, size in ((ROWS, rows), (STEPS, steps))]  # fmt: skip
    return (fitting[0], fitting[1]) if fitting[0] and fitting[1] else None
