"""How many streams are let in, look by look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import capacity
from asr_server.scheduling.capacity import (
    ENOUGH_STREAMS,
    FEW_STREAMS,
    LEAST_STREAMS,
    Capacity,
)

LOOK_S = 0.25


def watch(*stretches, known=None, start=0.0):
    """Return what is known after stretches of (seconds, streams, step)."""
    found, now = known or Capacity(), start
    for seconds, streams, step in stretches:
        for _ in range(round(seconds / LOOK_S)):
            now += LOOK_S
            found = found.after(streams, step, now)
    return found


@pytest.mark.parametrize(
    ("stretches", "streams"),
    [
        ([], FEW_STREAMS),
        ([(60, 0, 0)], FEW_STREAMS),
        ([(4, 1000, 0)], 1500),
        ([(60, 30, 0)], FEW_STREAMS),
        ([(2.5, 64, 0)], FEW_STREAMS),  # too short a time
        ([(4, 64, 0)], 96),
        ([(60, 64, 0)], 96),
        ([(4, 64, 0), (2.5, 96, 0)], 96),
        ([(4, 64, 0), (4, 96, 0)], 144),
        ([(4, 100, 0), (4, 40, 0)], 150),  # was carried once
        ([(60, 100, 1)], FEW_STREAMS),  # something was left undone
        ([(1.5, 100, 0), (0.25, 100, 1), (2.5, 100, 0)], FEW_STREAMS),
    ],
)
def test_half_as_many_again_as_were_carried_may_come(stretches, streams):
    assert watch(*stretches).streams == pytest.approx(streams)


@pytest.mark.parametrize(
    ("stretches", "streams"),
    [
        ([(0.25, 250, 2)], 250),
        ([(0.25, 250, 3)], 250),
        ([(0.25, 250, 1)], 300),
        ([(0.25, 400, 2)], 300),
        ([(2.0, 250, 2), (60.0, 20, 2)], 250),  # they left, the step stays
        ([(0.25, 250, 2), (2.0, 20, 1), (0.25, 20, 2)], 250),
        ([(0.25, 250, 2), (9.0, 200, 1), (0.25, 200, 2)], 200),
        ([(0.25, 20, 2)], 150),  # half at most
        ([(0.25, 250, 2), (9.0, 20, 1), (0.25, 20, 2)], 125),
    ],
)
def test_a_server_that_leaves_partials_out_has_enough(stretches, streams):
    assert watch(*stretches, known=Capacity(300.0)).streams == pytest.approx(streams)


@pytest.mark.parametrize(
    ("stretches", "streams"),
    [
        ([(1.0, 250, 4)], 300),  # for a moment
        ([(1.25, 250, 4)], 200),
        ([(60.0, 250, 4)], 200),  # once for each overload
        ([(15.0, 250, 4), (5.0, 100, 4)], 200),
        ([(15.0, 250, 4), (10.0, 100, 4)], 100),  # it lasts
        ([(15.0, 250, 4), (30.0, 100, 4)], 80),
        ([(2.0, 250, 4), (1.0, 240, 0), (2.0, 240, 4)], 200),  # the same one
        ([(2.0, 250, 4), (4.0, 0, 1), (2.0, 200, 4)], 160),  # another one
        ([(2.0, 250, 3), (2.0, 100, 4)], 200),  # they leave already
        ([(10.0, 4, 4)], 150),  # half at most
    ],
)
def test_a_late_server_has_too_many(stretches, streams):
    assert watch(*stretches, known=Capacity(300.0)).streams == pytest.approx(streams)


@pytest.mark.parametrize(("step", "least"), [(2, ENOUGH_STREAMS), (4, LEAST_STREAMS)])
def test_few_streams_that_are_too_many_again_and_again_are_believed(step, least):
    assert watch(*[(2.0, 2, step), (4.0, 2, 0)] * 10, known=Capacity(300.0)).streams == least


@pytest.mark.parametrize(("passed_s", "streams"), [(10.0, 240), (290.0, 240), (400.0, 300)])
def test_after_an_overload_more_are_let_in_with_care(passed_s, streams):
    late = watch((2.0, 250, 4), known=Capacity(300.0))
    assert late.streams == 200
    assert watch((4.0, 200, 0), known=late, start=passed_s).streams == pytest.approx(streams)


@given(
    st.lists(st.tuples(st.floats(0.05, 5.0), st.integers(0, 2000), st.integers(0, 4)), max_size=60)
)
def test_whatever_comes_the_limit_keeps_its_rules(looks):
    found, now = Capacity(), 0.0
    for passed_s, streams, step in looks:
        now += passed_s
        before, found = found, found.after(streams, step, now)
        assert found.streams >= LEAST_STREAMS
        if found.streams > before.streams:
            assert step == 0
            assert found.streams <= max(capacity.UNTRIED_RATIO * streams, streams + 1)
        if found.streams < before.streams:
            assert step >= 2
        assert all(look.at >= now - capacity.PROOF_S for look in found.looks)


@given(st.integers(LEAST_STREAMS, 2000), st.floats(LEAST_STREAMS, 300.0))
def test_a_server_that_carries_all_who_come_lets_in_all_who_want_to(wanted, known):
    found, now = Capacity(known, strained_at=0.0), 0.0
    while found.streams < wanted and now < 300.0:
        now += LOOK_S
        found = found.after(int(min(found.streams, wanted)), 0, now)
    assert found.streams >= wanted
