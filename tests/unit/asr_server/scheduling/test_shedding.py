import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import shedding
from asr_server.scheduling.shedding import Ladder, Lateness, Step


@dataclasses.dataclass(frozen=True)
class Limits:
    late_ms: float = 100.0
    partial_interval_ms: float = 2400.0


LIMITS = Limits()


def watch(lateness, ladder=None, limits=LIMITS):
    """Return the ladder after each (now, seconds that finals are late, or those and partials)."""
    ladders = [ladder or Ladder()]
    for now, *late_s in lateness:
        ladders.append(ladders[-1].after(Lateness(*late_s), limits, now))
    return ladders


def every(period_s, duration_s, *late_s, start=0.0):
    return [(start + n * period_s, *late_s) for n in range(round(duration_s / period_s) + 1)]


@pytest.mark.parametrize(
    ("late_s", "highest"),
    [
        (0.0, Step.NOTHING),
        (0.1, Step.NOTHING),
        (0.11, Step.FEWER_PARTIALS),
        (0.21, Step.FILES_WAIT),
        (0.3, Step.FILES_WAIT),
        (0.31, Step.REFUSE),
        (60.0, Step.REFUSE),
    ],
)
def test_how_late_live_work_is_says_how_far_the_ladder_is_climbed(late_s, highest):
    assert watch(every(0.1, 60.0, late_s))[-1].step == highest


@pytest.mark.parametrize(
    ("late_s", "highest"), [(0.1, 0), (0.11, 1), (0.2, 1), (0.21, 2), (60.0, 2)]
)
def test_late_partials_cost_partials_alone(late_s, highest):
    assert watch(every(0.1, 60.0, 0.0, late_s))[-1].step == highest


def test_partials_that_are_still_late_keep_a_step():
    high = watch(every(0.1, 10.0, 1.0))[-1]
    kept = watch(every(0.5, 60.0, 0.0, 0.03, start=11.0), high)[-1]
    assert (high.step, kept.step) == (Step.REFUSE, Step.FILES_WAIT)


@pytest.mark.parametrize(
    ("growth", "expected"),
    [
        (0.0, [0.5, 1.125, 1.75, 2.375]),  # a step may need a while to have an effect
        (1.0, [0.5, 0.875, 1.25, 1.625]),  # but one that does not stop the growth is not enough
        (-0.2, [0.5, 1.125, 1.75, 2.375]),
    ],
)
def test_each_step_takes_its_time(growth, expected):
    times = [(n * 0.125, 1.0 + growth * n * 0.125) for n in range(25)]
    climbed = [
        now
        for (now, _), (before, after) in zip(times, itertools.pairwise(watch(times)), strict=True)
        if after.step > before.step
    ]
    assert climbed == expected


def test_lateness_that_grows_slowly_from_step_to_step_is_growth():
    ladders = watch([(n * 0.125, n * 0.0125) for n in range(40)])
    changes = [n for n, (a, b) in enumerate(itertools.pairwise(ladders)) if a.step != b.step]
    assert [n * 0.125 for n in changes] == [1.625, 2.375, 2.75, 3.375]


def test_work_that_was_in_time_since_the_last_step_is_no_growth():
    kept = watch(every(0.1, 1.0, 0.15) + every(0.5, 300.0, 0.05, start=2.0))[-1]
    assert kept.step == Step.FEWER_PARTIALS
    steps = [ladder.step for ladder in watch(every(0.125, 0.5, 0.25, start=400.0), kept)]
    assert steps == [1, 1, 1, 1, 1, 2]


def test_what_is_late_for_a_moment_is_borne():
    late = [(n * 0.3, 5.0 if n % 2 else 0.0) for n in range(200)]
    assert watch(late)[-1].step == Step.NOTHING


def test_every_step_is_left_when_all_is_calm():
    high = watch(every(0.1, 10.0, 1.0))[-1]
    steps = [ladder.step for ladder in watch(every(0.5, 10.0, 0.0, start=11.0), high)]
    assert [step for step, _ in itertools.groupby(steps)] == [4, 3, 2, 1, 0]


def test_a_step_is_kept_while_work_is_a_little_late():
    high = watch(every(0.1, 1.0, 0.15))[-1]
    assert high.step == Step.FEWER_PARTIALS
    assert watch(every(0.5, 600.0, 0.05, start=2.0), high)[-1].step == Step.FEWER_PARTIALS


def test_who_does_not_want_it_is_never_refused_anything():
    high = watch(every(0.1, 10.0, 1.0))[-1]
    assert high.after(Lateness(100.0), Limits(late_ms=0.0), 10.0) == Ladder()


@pytest.mark.parametrize(
    ("late_s", "leaves"), [(0.0, True), (0.1, True), (0.11, False), (0.31, False)]
)
def test_newcomers_are_refused_until_finals_are_in_time_again(late_s, leaves):
    high = watch(every(0.1, 10.0, 1.0))[-1]
    steps = [ladder.step for ladder in watch(every(0.25, 0.5, late_s, start=10.1), high)]
    assert steps[:3] == [Step.REFUSE] * 3
    assert steps[3] == (Step.FILES_WAIT if leaves else Step.REFUSE)


def test_overload_after_overload_makes_nobody_patient_who_refuses():
    ladder, now = Ladder(), 0.0
    for _ in range(20):
        ladder = watch(every(0.1, 5.0, 1.0, start=now), ladder)[-1]
        assert ladder.step == Step.REFUSE
        ladder = watch(every(0.1, 1.0, 0.0, start=now + 5.1), ladder)[-1]
        assert ladder.step == Step.FILES_WAIT
        now += 6.2


@pytest.mark.parametrize("enough", [Step.FEWER_PARTIALS, Step.NO_PARTIALS])
def test_a_load_that_one_step_carries_is_not_swung_about(enough):
    ladder, changes, now, late_s = Ladder(), [], 0.0, 0.0
    while now < 3600.0:
        late_s = max(0.0, late_s + (0.1 if ladder.step < enough else -0.1))
        before, ladder = ladder, ladder.after(Lateness(late_s), LIMITS, now)
        changes += [now] if ladder.step != before.step else []
        now += 0.1
    assert len([change for change in changes if change > 600.0]) <= 3000 / 60 * 2.2


@given(st.lists(st.tuples(st.floats(0.001, 30.0), st.floats(0.0, 10.0)), max_size=200))
def test_whatever_comes_the_ladder_keeps_its_rules(observed):
    now, seen = 0.0, []
    for passed_s, late_s in observed:
        now += passed_s
        seen.append((now, late_s))
    ladders = watch(seen)
    climbed_at = left_at = -1e9
    for (now, late_s), (before, after) in zip(seen, itertools.pairwise(ladders), strict=True):
        assert abs(after.step - before.step) <= 1
        assert shedding.PATIENCE_S <= after.patience_s <= shedding.MOST_PATIENCE_S
        if after.step > before.step:
            assert late_s > 0.1
            assert now - climbed_at >= shedding.STEEP_S
            climbed_at = now
        if after.step < before.step:
            assert late_s <= 0.025
            assert now - max(climbed_at, left_at) >= shedding.PATIENCE_S
            left_at = now
    calm = watch(every(1.0, 600.0, 0.0, start=now + 1.0), ladders[-1])
    assert calm[-1].step == Step.NOTHING


@pytest.mark.parametrize(
    ("step", "gap_s"),
    [
        (Step.NOTHING, 0.0),
        (Step.FEWER_PARTIALS, 2.4),
        (Step.NO_PARTIALS, float("inf")),
        (Step.REFUSE, float("inf")),
    ],
)
def test_how_much_speech_a_partial_needs(step, gap_s):
    assert shedding.partial_gap_s(step, LIMITS) == gap_s
