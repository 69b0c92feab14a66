import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import stamps

FRAME_MS = 60
WEIGHTS = st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=60)


@given(weights=WEIGHTS, pieces=st.integers(0, 30), end_ms=st.integers(0, 4000))
def test_times_are_in_order_and_within_the_audio(weights, pieces, end_ms):
    found = stamps.locate(np.cumsum([0.0, *weights]), pieces, FRAME_MS, end_ms)
    assert len(found) == pieces
    assert found == sorted(found)
    assert all(0 <= start <= end <= end_ms for start, end in found)


@pytest.mark.parametrize(
    ("weights", "pieces", "expected"),
    [
        ([1.0, 0, 0, 1.0, 0, 0, 1.0, 0, 0], 2, [(0, 90), (90, 540)]),
        ([0.0] * 10 + [1.0, 0, 0, 1.0] + [0.0] * 20, 1, [(510, 1365)]),
        ([1.0] + [0.0] * 30 + [1.0], 1, [(0, 630)]),
    ],
    ids=["to the end", "half of the silence", "not longer than twelve frames"],
)
def test_a_piece_lasts_from_its_firing_to_the_next(weights, pieces, expected):
    sums = np.cumsum([0.0, *weights])
    assert stamps.locate(sums, pieces, FRAME_MS, len(weights) * FRAME_MS) == expected
