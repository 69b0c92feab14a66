import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.link import free_list

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 40)),
        st.tuples(st.just("give back"), st.integers(0, 1000)),
    ),
    max_size=60,
)


@given(size=st.integers(1, 200), operations=OPERATIONS)
def test_extents_never_overlap_and_giving_all_back_leaves_one_free_extent(size, operations):
    free = free_list.FreeList(size)
    taken = {}
    for operation, value in operations:
        if operation == "take":
            fits = value <= free.largest
            start = free.take(value)
            assert (start is not None) == fits
            if start is not None:
                taken[start] = value
        elif taken:
            start = sorted(taken)[value % len(taken)]
            assert free.give_back(start) == taken.pop(start)
        extents = sorted((start, start + length) for start, length in taken.items())
        assert all(0 <= start < end <= size for start, end in extents)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(extents))
        assert free.free == size - sum(taken.values())
    for start in taken:
        free.give_back(start)
    assert (free.free, free.largest) == (size, size)
    assert free.take(size) == 0


def test_an_extent_is_given_back_from_its_end_piece_by_piece():
    free = free_list.FreeList(100)
    start, other = free.take(25), free.take(10)
    assert free.shrink(start, 10) == (15, 10)
    assert free.take(10) == 15
    assert free.shrink(start, 10) == (5, 10)
    assert free.shrink(start, 10) == (0, 5)
    with pytest.raises(KeyError):
        free.shrink(start, 10)
    assert (free.give_back(other), free.give_back(15)) == (10, 10)
    assert free.largest == 100


def test_first_fit_reuses_the_lowest_hole():
    free = free_list.FreeList(100)
    starts = [free.take(10) for _ in range(5)]
    free.give_back(starts[1])
    free.give_back(starts[3])
    assert free.take(8) == starts[1]
    assert free.take(10) == starts[3]


def test_giving_back_what_was_not_given_out_is_an_error():
    free = free_list.FreeList(10)
    start = free.take(4)
    free.give_back(start)
    with pytest.raises(KeyError):
        free.give_back(start)


@pytest.mark.parametrize("length", [0, -1])
def test_an_empty_extent_is_refused(length):
    with pytest.raises(ValueError, match="at least one unit"):
        free_list.FreeList(10).take(length)
