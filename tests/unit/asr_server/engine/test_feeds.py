import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.engine.feeds import Feeds

ARENA = np.arange(1000, dtype=np.int16)


@given(
    stretches=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 100)), max_size=10),
    start=st.integers(0, 10_000),
    data=st.data(),
)
def test_a_stream_is_read_by_position_whatever_was_released(stretches, start, data):
    feeds = Feeds(ARENA, start)
    for offset, samples in stretches:
        feeds.add(offset, samples)
    whole = np.concatenate([ARENA[:0], *[ARENA[at : at + n] for at, n in stretches]])
    assert feeds.end == start + len(whole)
    edges = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=3, max_size=3)))
    for first, last in itertools.pairwise(edges):
        assert np.array_equal(feeds.audio(start + first, start + last), whole[first:last])
        feeds.release(start + first)
        assert np.array_equal(feeds.audio(start + first, start + last), whole[first:last])


def test_stretches_that_touch_in_the_arena_are_read_without_a_copy():
    feeds = Feeds(ARENA, 0)
    for offset in (100, 200, 300):
        feeds.add(offset, 100)
    assert feeds.audio(50, 250).base is ARENA


@pytest.mark.parametrize(("offset", "samples"), [(-1, 5), (0, 1001), (1000, 1), (5, -1)])
def test_what_is_not_in_the_arena_is_refused(offset, samples):
    with pytest.raises(ValueError, match="not in the arena"):
        Feeds(ARENA, 0).add(offset, samples)


def test_what_is_released_is_forgotten():
    feeds = Feeds(ARENA, 0)
    for offset in range(0, 1000, 20):
        feeds.add(offset, 10)
        feeds.release(feeds.end)
    assert feeds.end == 500
    assert len(feeds._starts) <= 1
