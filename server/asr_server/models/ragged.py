"""Batches of rows that have different lengths."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_server.models import staging


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


def lay_out(rows: Sequence[Sequence[NDArray[np.float32]]], lengths: Sequence[int]) -> Tensor:
    """Return (rows, time, size) on the host: the parts (time, size) of each, zeros behind them.

    `lengths` are the sums of their times.
    """
    longest, first = max(lengths), next(part for row in rows for part in row)
    nothing = np.zeros((longest - min(lengths), first.shape[1]), dtype=np.float32)
    parts: list[NDArray[np.float32]] = []
    for row, length in zip(rows, lengths, strict=True):
        parts += row
        if length < longest:
            parts.append(nothing[: longest - length])
    laid = np.concatenate(parts).reshape(len(rows), longest, first.shape[1])
    return torch.from_numpy(laid)


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


def cut_windows(rows: Tensor, starts: Sequence[int], length: int) -> Tensor:
    """Return `length` steps of each of (layers, rows, time, size), from a start of its own.

    The result is (rows, layers, length, size). However many rows there are, it is one step.
    """
    layers, count, time, size = rows.shape
    first = starts[0]
    if min(starts) == max(starts):
        return rows[:, :, first : first + length].transpose(0, 1)
    firsts = [row * time + start for row, start in enumerate(starts)]
    places = staging.put_list(firsts, rows.device)[:, None]
    places = (places + torch.arange(length, device=rows.device)).flatten()
    found = rows.view(layers, count * time, size).index_select(1, places)
    return found.view(layers, count, length, size).transpose(0, 1)


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
