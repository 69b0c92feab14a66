"""The one way of host values to the device. Nothing in a batch waits for it.

A copy to a GPU from memory that is not pinned waits until the GPU has done all before it: the host
would fall behind at every mask. Pinned memory comes from torch's cache, which reuses a block only
when its copy is over. On a CPU there is nothing to copy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def put(values: Tensor, device: torch.device) -> Tensor:
    """Return host values on the device."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def put_list(
    values: Sequence[Any], device: torch.device, dtype: torch.dtype | None = None
) -> Tensor:
    """Return numbers, or nested lists of them, on the device."""
    return put(torch.tensor(values, dtype=dtype), device)


def put_rows(rows: Sequence[Sequence[NDArray[np.int16]]], device: torch.device) -> Tensor:
    """Return int16 (rows, samples) on the device: the parts of each row, zeros behind them."""
    lengths = [sum(map(len, row)) for row in rows]
    longest = max(lengths, default=0)
    nothing = np.zeros(longest - min(lengths, default=0), dtype=np.int16)
    parts = [nothing[:0]]
    for row, length in zip(rows, lengths, strict=True):
        parts += row
        if length < longest:
            parts.append(nothing[: longest - length])
    samples = np.concatenate(parts).reshape(len(rows), longest)
    return put(torch.from_numpy(samples), device)
