"""When what was wanted within a window still counts. Ticks are 15 s apart."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.autoscaler import stabilization
from asr_operator.autoscaler.memory import Wish

SLOPE = [20 - 0.5 * tick for tick in range(21)]
SHAPES = {
    "a level load": ([4.0] * 21, 4),
    "a slope down": (SLOPE, 10),
    "a slope down with a burst": ([*SLOPE[:18], SLOPE[18] + 4, *SLOPE[19:]], 15),
    "a slope up": (SLOPE[::-1], 20),
    "a burst on a level load": ([4.0] * 10 + [9.0] + [4.0] * 10, 9),
    "a step down, just now": ([8.0] * 20 + [2.0], 8),
    "a step down, most of a window ago": ([8.0] * 5 + [2.0] * 16, 4),
    "a single tick": ([2.5], 3),
}


def stabilize(wanted):
    wishes = [Wish(15.0 * tick, 1, down) for tick, down in enumerate(wanted)]
    return stabilization.stabilize_down(wishes, wishes[-1].at, 300.0)


@pytest.mark.parametrize(("wanted", "replicas"), SHAPES.values(), ids=SHAPES)
def test_trend_and_the_most_that_lay_above_it(wanted, replicas):
    assert stabilize(wanted) == replicas


def test_what_is_older_than_the_window_does_not_count():
    wishes = [Wish(0.0, 1, 9.0), *(Wish(700.0 + 15 * tick, 1, 2.0) for tick in range(20))]
    assert stabilization.stabilize_down(wishes, 1000.0, 300.0) == 2
    assert stabilization.stabilize_down(wishes[:1], 1000.0, 300.0) == 9


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=40))
def test_between_the_last_wish_and_the_highest(wanted):
    assert math.ceil(wanted[-1] - 1e-5) <= stabilize(wanted) <= math.ceil(max(wanted))
