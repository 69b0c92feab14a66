"""Batches of rows that have different lengths."""

from collections.abc import Sequence

import torch
from torch import Tensor


def stack_ends(rows: Sequence[Tensor], room: int = 0) -> Tensor:
    """Stack rows (..., time, size) as (..., rows, longest + room, size).

    They end together, before the room; zeros come before the shorter ones.
    """
    lengths = [row.shape[-2] for row in rows]
    longest = max(lengths)
    first = rows[0]
    stacked = first.new_zeros(*first.shape[:-2], len(rows), longest + room, first.shape[-1])
    if min(lengths) == longest:
        torch.stack(list(rows), dim=-3, out=stacked[..., :longest, :])
        return stacked
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        stacked[..., place, longest - length : longest, :] = row
    return stacked


def lay_out(rows: Sequence[Sequence[Tensor]], lengths: Sequence[int]) -> Tensor:
    """Return (rows, time, size): the parts (time, size) of each row in turn, zeros behind them.

    `lengths` are the sums of their times.
    """
    longest, first = max(lengths), next(part for row in rows for part in row)
    nothing = first.new_zeros(longest - min(lengths), first.shape[1])
    parts: list[Tensor] = []
    for row, length in zip(rows, lengths, strict=True):
        parts += row
        if length < longest:
            parts.append(nothing[: longest - length])
    return torch.cat(parts).view(len(rows), longest, first.shape[1])


def join(heads: Sequence[Tensor], tails: Tensor, tail_lengths: Sequence[int]) -> Tensor:
    """Return each head (time, size) with the first steps of its tail behind it, zeros after that.

    `tails` is (rows, time, size); the result is as wide as the longest row, and at least one step.
    """
    lengths = [len(head) + tail for head, tail in zip(heads, tail_lengths, strict=True)]
    joined = tails.new_zeros(len(heads), max(1, *lengths), tails.shape[2])
    for row, head, tail, length in zip(joined, heads, tails, lengths, strict=True):
        row[: len(head)] = head
        row[len(head) : length] = tail[: length - len(head)]
    return joined


def copy_ranges(rows: Tensor, starts: Sequence[int], stops: Sequence[int]) -> list[Tensor]:
    """Return a range of the steps of each of (rows, time, size), in memory of its own."""
    if min(starts) == max(starts) and min(stops) == max(stops):
        parts = rows[:, starts[0] : stops[0]].unbind()
    else:
        ranges = zip(rows.unbind(), starts, stops, strict=True)
        parts = tuple(row[start:stop] for row, start, stop in ranges)
    return [part.clone() for part in parts]


def windows(rows: Tensor, starts: Sequence[int], length: int) -> list[Tensor]:
    """Return `length` steps of each of (layers, rows, time, size), from a start of its own.

    The results own their memory, or one stream would keep alive what its whole batch had.
    """
    if min(starts) == max(starts):
        parts = rows[:, :, starts[0] : starts[0] + length].unbind(dim=1)
    else:
        parts = tuple(
            row[:, start : start + length]
            for row, start in zip(rows.unbind(dim=1), starts, strict=True)
        )
    return [part.clone(memory_format=torch.contiguous_format) for part in parts]
