"""Batches of rows that have different lengths."""

from collections.abc import Sequence

from torch import Tensor


def stack_ends(rows: Sequence[Tensor]) -> Tensor:
    """Stack rows (..., time, size) as (..., rows, time, size): they end together, after zeros."""
    lengths = [row.shape[-2] for row in rows]
    longest = max(lengths)
    first = rows[0]
    stacked = first.new_zeros(*first.shape[:-2], len(rows), longest, first.shape[-1])
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        stacked[..., place, longest - length :, :] = row
    return stacked


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
