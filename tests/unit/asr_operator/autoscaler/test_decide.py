"""Modes, bounds, the unknown, and what holds from one tick to the next."""

from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import Fallback
from asr_operator.api.names import Reason
from asr_operator.autoscaler import decide, memory
from asr_operator.state.load import BatchPoint, NoLoad
from asr_operator.state.scaling import Change


@pytest.fixture
def no_load(now):
    return NoLoad(now, Reason.PROMETHEUS_UNREACHABLE, "See whether it runs.")


def choice(decision):
    return decision.replicas, decision.batch_size, decision.reason


# Each cell of the modes: what it does with more load than batches can carry, then with less.
CELLS = {
    ("Auto", "Auto"): ((3, 4, Reason.CAPACITY_NEEDED), (2, 5, Reason.BATCH_TOO_SMALL)),
    ("Auto", "Fixed"): ((3, 4, Reason.CAPACITY_NEEDED), (3, 4, Reason.CAPACITY_NEEDED)),
    ("Recommend", "Auto"): ((2, 4, Reason.CAPACITY_NEEDED), (2, 4, Reason.BATCH_TOO_SMALL)),
    ("Recommend", "Fixed"): ((2, 4, Reason.CAPACITY_NEEDED), (2, 4, Reason.CAPACITY_NEEDED)),
    ("External", "Auto"): ((2, 5, Reason.BATCH_TOO_SMALL), (2, 5, Reason.BATCH_TOO_SMALL)),
    ("External", "Fixed"): ((2, 4, Reason.SCALING_EXTERNAL), (2, 4, Reason.SCALING_EXTERNAL)),
    ("Off", "Auto"): ((2, 5, Reason.BATCH_TOO_SMALL), (2, 5, Reason.BATCH_TOO_SMALL)),
    ("Off", "Fixed"): ((2, 4, Reason.SCALING_OFF), (2, 4, Reason.SCALING_OFF)),
}


@pytest.mark.parametrize(("modes", "expected"), CELLS.items(), ids=map(" ".join, CELLS))
def test_a_mode_moves_what_is_its_own(decided, make_sample, make_spec, modes, expected):
    spec = make_spec(*modes, final_latency_ms=2000, size=4)
    for demand, wanted in zip((300.0, 250.0), expected, strict=True):
        decision = decided(make_sample(demand=demand, size_bound=0.9), spec=spec)
        assert choice(decision) == wanted
        moved = (decision.replicas, decision.batch_size) != (2, 4)
        assert len(decision.changes) == moved


@pytest.mark.parametrize(
    ("batching", "demand", "recommended"),
    [
        ("Auto", 300.0, (3, 4)),
        ("Auto", 250.0, (2, 5)),
        ("Auto", 100.0, (2, 4)),
        ("Fixed", 300.0, (3, None)),
        ("Fixed", 100.0, (2, None)),
    ],
)
def test_what_is_recommended_is_what_auto_would_do(
    decided, make_sample, make_spec, batching, demand, recommended
):
    spec = make_spec("Recommend", batching, final_latency_ms=2000, size=4)
    decision = decided(make_sample(demand=demand, size_bound=0.9), spec=spec)
    assert (decision.recommended_replicas, decision.recommended_batch_size) == recommended
    if recommended != (2, 4) and recommended != (2, None):
        assert "Nothing is changed in mode Recommend; Auto would raise" in decision.message


def test_a_recommendation_keeps_to_the_bounds(decided, make_sample, make_fleet, make_spec):
    spec = make_spec("Recommend", min_replicas=3, max_replicas=5)
    for ready, recommended in ((2, 3), (9, 5)):
        decision = decided(make_sample(pods=ready, demand=100.0), make_fleet(ready), spec)
        assert (decision.replicas, decision.recommended_replicas) == (ready, recommended)


def test_only_recommend_recommends(decided, make_sample, make_spec):
    for mode in ("Auto", "External", "Off"):
        decision = decided(make_sample(), spec=make_spec(mode))
        assert decision.recommended_replicas is decision.recommended_batch_size is None


def test_batches_hold_still_for_a_settle_window_after_another_autoscaler_acted(
    make_sample, make_fleet, make_spec, watched, now
):
    spec = make_spec("External", final_latency_ms=2000)
    sample = make_sample(pods=3, demand=450.0, size_bound=0.9, final_latency_s=1.9)
    remembered = watched(finals=1000.0, fleet=(2, 2))
    for after_s, size in ((0, 4), (30, 4), (60, 5)):
        at = now + after_s
        decision, remembered = decide.decide(
            replace(sample, at=at), make_fleet(3), spec, remembered, at
        )
        assert decision.batch_size == size


@pytest.mark.parametrize(
    ("mode", "batching", "fleet", "expected"),
    [
        ("Auto", "Auto", {"ready": 1}, (2, 4)),
        ("Auto", "Auto", {"ready": 9}, (5, 4)),
        ("Auto", "Auto", {"ready": 0}, (2, 4)),
        ("Auto", "Auto", {"ready": 1, "batch_size": 99}, (2, 99)),
        ("Auto", "Auto", {"ready": 3, "batch_size": 99}, (3, 8)),
        ("Auto", "Auto", {"ready": 3, "batch_size": 1}, (3, 2)),
        ("Off", "Auto", {"ready": 9, "batch_size": 99}, (9, 8)),
        ("External", "Fixed", {"ready": 9, "batch_size": 99}, (9, 4)),
        ("Recommend", "Auto", {"ready": 9, "batch_size": 99}, (9, 4)),
    ],
)
def test_the_bounds_of_the_spec_hold_at_once_one_knob_after_the_other(
    decided, no_load, make_fleet, make_spec, mode, batching, fleet, expected
):
    spec = make_spec(mode, batching, min_replicas=2, max_replicas=5, min_size=2, max_size=8, size=4)
    decision = decided(no_load, make_fleet(**fleet), spec)
    assert (decision.replicas, decision.batch_size) == expected


def test_a_clamp_is_a_change_with_a_record(decided, make_fleet, make_sample, make_spec, now):
    decision = decided(make_sample(), make_fleet(9), make_spec(max_replicas=5))
    assert decision.changes == (Change(now, "replicas", 9, 5, Reason.OUT_OF_BOUNDS),)


def test_nothing_moves_between_equal_bounds(decided, make_sample, make_spec, idle_sample):
    spec = make_spec(min_replicas=2, max_replicas=2, min_size=4, max_size=4, size=4)
    late = {"final_latency_s": 9.0, "queue_wait_s": 8.0}
    for sample in (make_sample(demand=900.0, size_bound=1.0, **late), idle_sample()):
        decision = decided(sample, spec=spec)
        assert (decision.replicas, decision.batch_size, decision.changes) == (2, 4, ())


def test_the_upper_bound_is_told_where_it_hurts(decided, make_sample, make_spec):
    decision = decided(make_sample(demand=900.0), spec=make_spec(max_replicas=2))
    assert decision.limited.reason == Reason.MAX_REPLICAS_REACHED
    assert "spec.autoscaling.maxReplicas" in decision.limited.message
    assert decided(make_sample(), spec=make_spec(max_replicas=2)).limited is None


def test_replicas_that_cannot_be_had_are_not_asked_for(decided, make_sample, make_fleet):
    fleet = make_fleet(2, desired=3, blocked="The quota is used up.")
    decision = decided(make_sample(demand=900.0), fleet)
    assert (decision.replicas, decision.changes) == (3, ())
    assert decision.limited.reason == Reason.CAPACITY_BLOCKED
    assert "The quota is used up." in decision.limited.message


def test_replicas_that_cannot_be_had_may_still_be_given_up(decided, idle_sample, make_fleet):
    assert decided(idle_sample(), make_fleet(2, desired=3, blocked="quota")).replicas == 2


def test_the_unknown_changes_nothing_and_says_why(decided, no_load):
    decision = decided(no_load)
    assert choice(decision) == (2, 4, Reason.METRICS_UNKNOWN)
    assert decision.changes == ()
    assert decision.metrics.reason == Reason.PROMETHEUS_UNREACHABLE
    assert "See whether it runs." in decision.message


@pytest.mark.parametrize(
    ("replicas", "fleet", "mode", "after_s", "expected"),
    [
        (5, {}, "Auto", 299, 2),
        (5, {}, "Auto", 300, 5),
        (1, {}, "Auto", 300, 2),
        (99, {}, "Auto", 300, 10),
        (None, {}, "Auto", 300, 2),
        (5, {}, "Recommend", 300, 2),
        (5, {}, "Off", 300, 2),
        (5, {"blocked": "quota"}, "Auto", 300, 2),
        (5, {"ready": 0, "desired": 2}, "Auto", 300, 2),
    ],
    ids=[
        "not yet",
        "to the fallback",
        "never down",
        "within the bounds",
        "none set",
        "only recommended",
        "not its own",
        "blocked",
        "no server that could be asked",
    ],
)
def test_after_a_while_of_the_unknown_comes_the_fallback(
    no_load, make_fleet, make_spec, watched, now, replicas, fleet, mode, after_s, expected
):
    spec = make_spec(mode, fallback=Fallback(300, replicas))
    fleet, remembered = make_fleet(**fleet), watched()
    for at in (now, now + after_s):
        decision, remembered = decide.decide(replace(no_load, at=at), fleet, spec, remembered, at)
    assert decision.replicas == expected
    if expected != fleet.desired:
        assert [change.reason for change in decision.changes] == [Reason.METRICS_FALLBACK]


def test_the_unknown_is_counted_anew_after_something_was_known(
    no_load, make_sample, make_fleet, make_spec, watched, now
):
    spec, remembered = make_spec(fallback=Fallback(300, 5)), watched()
    for sample in (no_load, make_sample(at=now + 200, demand=150.0), no_load):
        at = max(sample.at, now + 300 if remembered.ticked_at > 0 else now)
        decision, remembered = decide.decide(sample, make_fleet(), spec, remembered, at)
    assert decision.replicas == 2


def test_nothing_is_removed_soon_after_a_long_unknown(
    no_load, idle_sample, make_fleet, make_spec, watched, now
):
    remembered, removed_at = watched(), None
    for tick in range(60):
        at = now + 15 * tick
        sample = no_load if tick < 10 else idle_sample(at=at)
        decision, remembered = decide.decide(sample, make_fleet(), make_spec(), remembered, at)
        if decision.replicas < 2 and removed_at is None:
            removed_at = tick
    assert removed_at == 10 + 300 // 15


def test_between_two_ticks_the_last_decision_stands(
    make_sample, make_fleet, make_spec, watched, now
):
    spec, remembered = make_spec(final_latency_ms=2000), watched()
    sample, fleet = make_sample(demand=300.0), make_fleet()
    first, remembered = decide.decide(sample, fleet, spec, remembered, now)
    assert first.replicas == 3
    fleet = make_fleet(2, desired=3, unready=1)
    again, same = decide.decide(sample, fleet, spec, remembered, now + 5)
    assert again == replace(first, changes=())
    assert same.model == remembered.model
    later = replace(sample, at=now + 15)
    assert decide.decide(later, fleet, spec, same, now + 15)[1].model != remembered.model


def test_a_change_of_the_spec_does_not_wait_for_the_next_tick(
    make_sample, make_fleet, make_spec, watched, now
):
    sample, remembered = make_sample(demand=300.0), watched()
    off, remembered = decide.decide(sample, make_fleet(), make_spec("Off"), remembered, now)
    assert off.replicas == 2
    spec = make_spec(final_latency_ms=2000)
    decision, _ = decide.decide(sample, make_fleet(), spec, remembered, now + 1)
    assert decision.replicas == 3


@pytest.mark.parametrize(
    ("load", "met"),
    [
        ({}, True),
        ({"final_latency_s": 2.5}, False),
        ({"final_latency_s": None}, None),
        ({"finals": 3.0}, None),
    ],
)
def test_whether_the_objective_is_met_is_told_where_it_is_known(decided, make_sample, load, met):
    assert decided(make_sample(**load)).slo_met is met


# After a restart


@pytest.fixture
def restarted(now):
    """The memory of an operator that has just started, with what can be read back."""
    points = [
        BatchPoint(now - 60 * minute, "asr", 2.0, padded_s, 0.03 + 0.004 * padded_s)
        for minute, padded_s in enumerate((12.0, 48.0, 24.0) * 10)
    ]
    history = (Change(now - 400, "batchSize", 3, 4, Reason.BATCH_TOO_SMALL),)
    return memory.restore(history, now, points)


def test_a_restart_adds_replicas_at_once(decided, make_sample, restarted, watched):
    sample = make_sample(demand=400.0)
    after = decided(sample, memory=restarted)
    assert after.replicas == decided(sample, memory=watched()).replicas == 4


def test_a_restart_removes_nothing_before_a_full_window_was_seen(
    idle_sample, make_fleet, make_spec, restarted, now
):
    seen = []
    for tick in range(22):
        at = now + 15 * tick
        decision, restarted = decide.decide(
            idle_sample(at=at), make_fleet(), make_spec(), restarted, at
        )
        seen.append(decision.replicas)
    assert (seen[:20], seen[20]) == ([2] * 20, 1)


def test_a_restart_leaves_batches_alone_until_they_have_settled(
    make_sample, make_fleet, make_spec, restarted, now
):
    seen = []
    for tick in range(5):
        at = now + 15 * tick
        sample = make_sample(demand=250.0, size_bound=0.9, final_latency_s=1.9, at=at)
        decision, restarted = decide.decide(
            sample, make_fleet(), make_spec(final_latency_ms=2000), restarted, at
        )
        seen.append(decision.batch_size)
    assert seen == [4, 4, 4, 4, 5]


def test_only_the_last_ten_changes_are_remembered(now):
    history = tuple(Change(now - 100 + n, "replicas", n, n + 1, Reason.STEADY) for n in range(15))
    assert memory.restore(history, now).changes == history[5:]
