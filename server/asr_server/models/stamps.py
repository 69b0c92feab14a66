"""When each piece was said, from where CIF fires.

Rules as in `ts_prediction_lfr6_standard` of FunASR 1.4.16; a frame is a step of the weights.
FunASR's Paraformer gives that function its two arguments in the wrong order (1.4.16), so its own
stamps of a plain CIF are nearly evenly spread; these are where the weights are.
"""

import numpy as np
from numpy.typing import NDArray

from asr_server.speech.words import Stamp

Sums = NDArray[np.float64]

_THRESHOLD = 1.0 - 1e-4
_SHIFT = -1.5  # frames: it fires that late
_LONGEST = 12  # frames of one piece; what follows is silence
_END_SILENCE = 5  # frames after the last firing that the last piece does not have


def locate(sums: Sums, pieces: int, frame_ms: int, end_ms: int) -> list[Stamp]:
    """Return from when to when each of `pieces` was said, in milliseconds up to `end_ms`.

    `sums` (frames + 1) are the running sums of the weights of one row, from 0, its tail included.
    A piece lasts from its firing to the next one's: with one firing more than pieces as they are,
    else with the weights scaled so that there is.
    """
    places = np.flatnonzero(sums[1:] - np.floor(sums[:-1]) >= _THRESHOLD)
    if not pieces or len(places) != pieces + 1:
        return locate_scaled(sums, pieces, frame_ms, end_ms)
    return _span(places, len(sums) - 1, frame_ms, end_ms)


def locate_scaled(sums: Sums, pieces: int, frame_ms: int, end_ms: int) -> list[Stamp]:
    """Do the same with the weights scaled in any case, as those of a BiCif-Paraformer are."""
    if not pieces:
        return []
    places = _fire(sums * ((pieces + 1) / max(sums[-1], 1e-9)), pieces + 1)
    return _span(places, len(sums) - 1, frame_ms, end_ms)


def _span(places: NDArray[np.int64], frames: int, frame_ms: int, end_ms: int) -> list[Stamp]:
    fired = np.minimum(places + _SHIFT, frames)
    starts, ends = fired[:-1], np.minimum(fired[1:], fired[:-1] + _LONGEST)
    if fired[-1] - fired[-2] <= _LONGEST:
        is_near = frames - fired[-1] <= _END_SILENCE
        ends[-1] = frames if is_near else (frames + fired[-1]) / 2
    found = (np.stack([starts, ends], axis=1) * frame_ms).clip(0, end_ms).astype(int)
    return [(start, end) for start, end in found.tolist()]


def _fire(sums: Sums, count: int) -> NDArray[np.int64]:
    """Return the frames in which the sums reach `count` thresholds, each in a frame of its own."""
    order = np.arange(count)
    places = np.searchsorted(sums[1:], _THRESHOLD * (order + 1))
    return np.maximum.accumulate(places - order) + order
