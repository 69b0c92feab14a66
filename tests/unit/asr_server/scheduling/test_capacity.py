import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import capacity
from asr_server.scheduling.capacity import Capacity, Observation

CALM = Observation(100, 100, 200.0, 200.0, 0.0)


def late(streams=400, settled=0.8, speaking=None, ratio=1.0, each_s=capacity.WINDOW_S):
    """Return a window in which a share of what was spoken was settled."""
    speaking = streams if speaking is None else speaking
    spoken_s = speaking * each_s
    return Observation(streams, speaking, spoken_s, settled * spoken_s, ratio)


def watch(*seen):
    found, now = Capacity(were_open=400), 0.0
    for each in seen:
        now += capacity.WINDOW_S
        found = found.after(each, now)
    return found


@pytest.mark.parametrize(
    ("seen", "streams"),
    [
        ([], math.inf),
        ([CALM], math.inf),
        ([late(400, 0.8)], 304),
        ([late(400, 1.0)], 380),
        ([late(400, 3.0)], 380),  # it catches up
        ([late(400, 0.1)], 200),  # a hang is no lack of capacity
        ([late(400, 0.8, speaking=100)], 304),  # the others say nothing
        ([late(40, 1.0, each_s=1.0)], 38),  # whose inputs are short
        ([late(40, 0.8, each_s=0.5)], 30.4),
        ([late(15, 0.8)], math.inf),
        ([late(400, 0.8, ratio=0.7)], math.inf),
        ([late(400, 0.8), late(400, 1.0), late(40, 0.6)], 304),  # it goes on, and they leave
        ([late(400, 0.8), CALM, late(320, 0.4), late(330, 0.9)], 282.15),  # another one
        ([late(500, 0.2), late(600, 0.3), late(600, 0.8)], 456),  # they are still coming at first
        ([late(400, 0.8), late(300, 1.0, ratio=0.5), late(320, 0.9)], 304),
    ],
)
def test_the_first_window_of_an_overload_says_how_many_are_carried(seen, streams):
    assert watch(*seen).streams == pytest.approx(streams)


@pytest.mark.parametrize(
    ("seen", "streams"),
    [
        (Observation(280, 280, 560.0, 560.0, 0.0), 315),
        (Observation(269, 269, 538.0, 538.0, 0.0), 300),  # more would not be taken
        (Observation(280, 280, 560.0, 560.0, 0.1), 300),  # some of it was late
    ],
)
def test_there_is_more_room_where_all_is_in_time_and_places_are_taken(seen, streams):
    assert Capacity(300.0, 0.0).after(seen, 2.0).streams == pytest.approx(streams)


def test_what_was_learned_is_forgotten():
    known = Capacity(300.0, 0.0)
    assert known.after(CALM, capacity.MEMORY_S).streams == 300.0
    assert known.after(CALM, capacity.MEMORY_S + 1.0).streams == math.inf


@given(
    st.lists(
        st.builds(
            Observation,
            st.integers(0, 2000),
            st.integers(0, 2000),
            st.floats(0.0, 1e5),
            st.floats(0.0, 1e5),
            st.floats(0.0, 1.0),
        ),
        max_size=50,
    )
)
def test_nobody_is_refused_for_good(seen):
    found = watch(*seen)
    assert found.streams >= 0
    later = 2.0 * len(seen) + capacity.MEMORY_S + 1.0
    assert found.after(CALM, later).streams == math.inf
