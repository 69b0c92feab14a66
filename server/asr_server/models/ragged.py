"""Batches of rows that have different lengths.

What goes in and out row by row does so in a few operations for all of them: on a GPU the host is
busy for as long with a copy of one row as with one of the whole batch.
"""

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
    longest, shortest, first = max(lengths), min(lengths), rows[0]
    shape = *first.shape[:-2], len(rows), longest + room, first.shape[-1]
    if shortest == longest:
        stacked = first.new_zeros(shape)
        torch.stack(list(rows), dim=-3, out=stacked[..., :longest, :])
        return stacked
    nothing = first.new_zeros(*first.shape[:-2], max(longest - shortest, room), first.shape[-1])
    behind = nothing[..., :room, :]
    before = {length: nothing[..., : longest - length, :] for length in set(lengths)}
    parts: list[Tensor] = []
    for row, length in zip(rows, lengths, strict=True):
        parts += before[length], row, behind
    return torch.cat(parts, dim=-2).view(shape)


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
    longest = max(1, *lengths)
    nothing = tails.new_zeros(longest - min(lengths), tails.shape[2])
    parts: list[Tensor] = []
    for head, tail, count, length in zip(heads, tails.unbind(), tail_lengths, lengths, strict=True):
        parts += head, tail if count == len(tail) else tail[:count]
        if length < longest:
            parts.append(nothing[: longest - length])
    return torch.cat(parts).view(len(heads), longest, tails.shape[2])


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


def copy_ranges(rows: Tensor, starts: Sequence[int], stops: Sequence[int]) -> list[Tensor]:
    """Return a range of the steps of each of (..., rows, time, size), as (..., steps, size).

    The results own their memory, or one stream would keep alive what its whole batch had.
    """
    if rows.is_cuda:
        return copy_packed(rows, starts, stops)
    ranges = zip(rows.unbind(dim=-3), starts, stops, strict=True)
    return [
        row[..., start:stop, :].clone(memory_format=torch.contiguous_format)
        for row, start, stop in ranges
    ]


def copy_packed(rows: Tensor, starts: Sequence[int], stops: Sequence[int]) -> list[Tensor]:
    """Do what `copy_ranges` does in two copies of everything, however many rows there are."""
    time = rows.shape[-2]
    firsts = [row * time + start for row, start in enumerate(starts)]
    lengths = [stop - start for start, stop in zip(starts, stops, strict=True)]
    ranges = [np.arange(at, at + length) for at, length in zip(firsts, lengths, strict=True)]
    places = staging.put(torch.from_numpy(np.concatenate(ranges)), rows.device)
    packed = rows.flatten(-3, -2).index_select(-2, places)
    own = [packed.new_empty(*packed.shape[:-2], length, packed.shape[-1]) for length in lengths]
    if any(lengths):  # CUDA's code divides by what there is, and ends the process (torch 2.11)
        torch.split_with_sizes_copy(packed, lengths, dim=packed.dim() - 2, out=own)
    return own
