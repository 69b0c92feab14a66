"""How full a replica may be: 24 s a second on two servers that carry 153 each with batches of 4."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.api.names import Reason
from asr_operator.autoscaler import budget, knowledge, learning
from asr_operator.autoscaler.memory import restore
from asr_operator.state.scaling import Change

USED = 0.5  # of what the two servers carry


@pytest.fixture
def spent(make_fleet, make_spec, watched, make_sample, now):
    """The memory after ticks of 15 s with a share of late finals, at an objective of p99 in 2 s."""

    def spend(late_ratio, ticks=1, memory=None, used=USED, **fields):
        fleet, spec = make_fleet(), make_spec(quantile="p99", final_latency_ms=2000)
        memory = memory or watched(fullness=0.5, ticked_at=now - 15)
        model = learning.build_capacity(memory, spec)
        fields = {"final_latency_s": 3.0, "queue_wait_s": 2.5, **fields}
        of_pods = {name: fields.pop(name) for name in ("cpu_ratio", "duty_ratio") if name in fields}
        demand = 2 * used * model.most(fleet.batch_size)
        for tick in range(ticks):
            at = now + 15 * tick
            sample = make_sample(demand=demand, late_ratio=late_ratio, at=at, **fields)
            pods = tuple(replace(pod, **of_pods) for pod in sample.pods)
            sample = replace(sample, pods=pods)
            known = knowledge.judge_knowledge(sample, fleet, at, 90)
            memory = budget.spend(memory, sample, known, fleet, spec)
            memory = replace(memory, ticked_at=at, spec=spec)
        return memory

    return spend


def test_it_begins_with_what_the_model_guesses(spent, watched, make_spec):
    spec = make_spec(quantile="p99", final_latency_ms=2000)
    model = learning.build_capacity(watched(), spec)
    guess = model.served(4) / model.most(4)
    assert spent(None, memory=watched()).fullness == guess
    assert spent(0.0, memory=watched()).fullness == pytest.approx(guess * math.exp(0.04))


def test_it_begins_again_with_another_objective(spent, watched, make_spec):
    old = watched(fullness=0.4, spec=make_spec(quantile="p50", final_latency_ms=300))
    assert spent(None, memory=old).fullness == spent(None, memory=watched()).fullness


def test_what_is_left_of_the_budget_makes_replicas_fuller(spent):
    little, none = spent(0.002).fullness, spent(0.0).fullness
    assert 0.5 < little < none < 0.51
    assert spent(0.0, ticks=1000, used=0.75).fullness == budget.MOST_FULLNESS


def test_more_than_the_budget_makes_them_emptier_faster(spent):
    little, much = spent(0.007).fullness, spent(0.06).fullness
    assert 0.43 < much < little < 0.5
    assert spent(1.0).fullness == pytest.approx(spent(0.06).fullness)
    assert spent(1.0, ticks=1000, used=0.3).fullness == budget.LEAST_FULLNESS


def test_the_share_that_is_aimed_at_changes_nothing(spent):
    assert spent(0.0035).fullness == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("late_ratio", "fields"),
    [
        (0.0, {"used": 0.2}),
        (0.0, {"refused_per_s": 1.0}),
        (0.0, {"cpu_ratio": 0.8}),
        (0.0, {"finals": 9.0}),
        (0.5, {"finals": 9.0}),
        (None, {}),
        (0.0, {"pods": 1}),
        (0.5, {"used": 0.7}),
        (0.5, {"refused_per_s": 1.0}),
        (0.5, {"queue_wait_s": 0.1}),
        (0.5, {"size_bound": 0.9}),
        (0.5, {"duty_ratio": 0.4}),
    ],
    ids=[
        "from replicas that are much emptier",
        "in time, while sessions are refused",
        "near the CPU limit",
        "in time, of a few finals",
        "late, of a few finals",
        "without any final",
        "while a server is not heard",
        "from replicas that were too few",
        "late, while sessions are refused",
        "for batches that take long",
        "for batches that could be larger",
        "beside idle engines",
    ],
)
def test_nothing_is_learned(spent, late_ratio, fields):
    assert spent(late_ratio, **fields).fullness == 0.5


def test_a_backlog_is_forgiven_for_a_while(spent, watched, now):
    for ago_s, is_blamed in ((90, False), (150, True)):
        memory = watched(fullness=0.5, crowded_at=now - ago_s, ticked_at=now - 15)
        assert (spent(0.5, memory=memory).fullness < 0.5) is is_blamed


@pytest.mark.parametrize(("late_ratio", "is_fuller"), [(0.006, False), (0.004, True)])
def test_what_was_late_of_late_is_spent(spent, watched, now, late_ratio, is_fuller):
    memory = watched(fullness=0.5, late_ratio=late_ratio, ticked_at=now - 15)
    assert (spent(0.0, memory=memory).fullness > 0.5) is is_fuller


def test_growth_that_came_too_late_is_spent_for_a_while(spent, now):
    crowded = spent(0.2, ticks=8, used=0.7)
    assert crowded.fullness == 0.5
    assert crowded.late_ratio == pytest.approx(0.0190, rel=0.02)
    later = spent(0.0, ticks=60, memory=replace(crowded, ticked_at=now - 15))
    assert later.fullness == 0.5
    assert spent(0.0, ticks=180, memory=replace(crowded, ticked_at=now - 15)).fullness > 0.5


@pytest.mark.parametrize("finals", [20, 30, 60])
def test_one_late_final_of_few_counts_as_one(spent, finals):
    """It stays in the window for four ticks, and costs a tenth then, about what is tolerated."""
    late = spent(1 / finals, ticks=4, finals=float(finals)).fullness
    assert 0.9 * 0.5 < late < 0.5
    assert 0.5 < spent(0.0, ticks=4, finals=float(finals)).fullness < 0.5 * math.exp(0.04)


@pytest.mark.parametrize("finals", [20, 30, 60, 600])
def test_few_finals_settle_at_the_same_share_as_many(spent, finals):
    """One late in so many windows as make the share that is aimed at, each seen four times."""
    rare = max(1, round(1 / (0.0035 * finals)))
    late_ratio = 0.0035 * rare
    memory = spent(late_ratio, ticks=4, finals=float(finals))
    memory = spent(0.0, ticks=4 * (rare - 1), finals=float(finals), memory=memory)
    assert memory.fullness == pytest.approx(0.5, rel=0.05)


def test_the_first_tick_after_a_restart_steps_over_nothing(spent, watched):
    assert spent(0.5, memory=watched(fullness=0.5)).fullness == 0.5


def test_after_a_restart_lateness_may_be_that_of_a_crowd_before(spent, watched, now):
    inputs = (("fullness", "0.45"),)
    changes = (
        Change(now - 900, "replicas", 2, 3, Reason.CAPACITY_NEEDED, inputs),
        Change(now - 300, "replicas", 3, 4, Reason.BOUNDS_SCHEDULED),
    )
    memory = watched(*changes, started_at=now - 30, crowded_at=restore((), now - 30).crowded_at)
    assert memory.fullness == 0.45
    assert spent(0.5, memory=replace(memory, ticked_at=now - 15)).fullness == 0.45


@pytest.mark.parametrize(("used", "is_blamed"), [(0.7, True), (0.8, False)])
def test_a_batch_is_not_to_blame_where_a_smaller_one_would_not_keep_up(
    spent, watched, now, used, is_blamed
):
    """With batches of 2 a server carries 0.72 of what it does with 4; replicas must come first."""
    memory = watched(fullness=0.75, ticked_at=now - 15)
    found = spent(0.5, memory=memory, used=used, queue_wait_s=0.1).fullness
    assert (found == 0.75) is is_blamed


@given(st.floats(0, 10) | st.just(float("nan")), st.floats(-100, 100))
def test_it_stays_within_its_bounds(fullness, step):
    found = budget.steer(fullness, step)
    assert budget.LEAST_FULLNESS <= found <= budget.MOST_FULLNESS
