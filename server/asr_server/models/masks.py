"""Which positions of a padded batch are real. Making a mask never waits for the device: lengths are
host values, or on the device already.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_server.models import staging


def real_positions(lengths: Sequence[int], width: int, device: torch.device) -> Tensor:
    """Return bool (rows, width): true where a row has a value of its own."""
    return positions_before(staging.put_list(lengths, device), width)


def positions_before(limits: Tensor, width: int) -> Tensor:
    """Return bool (rows, width): true before the limit of each row, (rows) on the device."""
    return torch.arange(width, device=limits.device) < limits[:, None]


def framed_positions(
    starts: Sequence[int], stops: Sequence[int], width: int, device: torch.device
) -> Tensor:
    """Return bool (rows, width): true from `start` up to, not including, `stop` of each row."""
    limits = staging.put_list([starts, stops], device)[..., None]
    positions = torch.arange(width, device=device)
    return (positions >= limits[0]) & (positions < limits[1])


def attended_positions(lengths: Sequence[int], width: int, device: torch.device) -> Tensor | None:
    """Return bool (rows, 1, 1, width) of the keys to attend to; None when nothing is padded.

    An empty row attends to its first position: a softmax over nothing is NaN.
    """
    if min(lengths) == width:
        return None
    return attended_before(staging.put_list(lengths, device), width)


def attended_before(limits: Tensor, width: int) -> Tensor:
    """Return what `attended_positions` does for limits on the device, (rows), padded or not."""
    return positions_before(limits.clamp(min=1), width)[:, None, None, :]


def recalled_positions(
    pasts: Sequence[int], lengths: Sequence[int], width: int, device: torch.device
) -> Tensor | None:
    """Return bool (rows, 1, 1, longest past + width) of the keys to attend to, or None for all.

    Pasts end where the new positions begin; a row has `lengths` of those.
    """
    longest = max(pasts)
    if min(pasts) == longest and min(lengths) == width:
        return None
    starts = [longest - past for past in pasts]
    stops = [longest + max(length, 1) for length in lengths]
    return framed_positions(starts, stops, longest + width, device)[:, None, None, :]
