"""Which positions of a padded batch are real. The lengths are host values: making a mask never
waits for the device.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_server.models import staging


def real_positions(lengths: Sequence[int], width: int, device: torch.device) -> Tensor:
    """Return bool (rows, width): true where a row has a value of its own."""
    return torch.arange(width, device=device) < staging.put_list(lengths, device)[:, None]


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
    kept = real_positions([max(length, 1) for length in lengths], width, device)
    return kept[:, None, None, :]


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
