"""What is taken back, or given up, by what was measured when it was decided."""

from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import BatchTuning
from asr_operator.api.names import Reason
from asr_operator.autoscaler.memory import Wish
from asr_operator.state.load import PodLoad
from asr_operator.state.scaling import Change

BEFORE = {"demand": "150", "finalLatencyMs": "1500", "costMs": "6.5"}  # of make_sample's batches


@pytest.fixture
def retuned(now):
    """A step of the batch size, 70 s ago."""

    def make(from_=3, to=4, reason=Reason.BATCH_TOO_SMALL, age_s=70.0, **inputs):
        measured = tuple({**BEFORE, **inputs}.items())
        return Change(now - age_s, "batchSize", from_, to, reason, measured)

    return make


CPU = {
    "pods": tuple(
        PodLoad(f"pod-{number}", 5.0, 10.0, 100.0, 75.0, duty_ratio=0.5, cpu_ratio=0.5)
        for number in range(2)
    )
}  # one limit for 150 audio seconds per second: 6.7 ms of it for each
LATE = {"demand": 150.0, "final_latency_s": 2.5, "queue_wait_s": 0.1}
COSTLY = {"demand": 150.0, "busy_s": 0.085}
WORSE = {
    "a larger size made finals late": ({}, LATE),
    "a larger size costs more computing": ({}, COSTLY),
    "a larger size uses more of the CPU limit": ({"cpuCostMs": "6"}, {"demand": 150.0, **CPU}),
    "a smaller size made finals late": (
        {"from_": 5, "reason": Reason.LOAD_FELL},
        {**LATE, "queue_wait_s": 2.0},
    ),
}


@pytest.mark.parametrize(("step", "load"), WORSE.values(), ids=WORSE)
def test_a_step_that_made_things_worse_is_taken_back(
    decided, make_sample, watched, retuned, step, load
):
    change = retuned(**step)
    memory = watched(change, finals=300.0, lateness=(1.2, 1.2))
    decision = decided(make_sample(**load), memory=memory)
    assert (decision.replicas, decision.batch_size) == (2, change.from_)
    assert decision.reason == Reason.BATCH_ROLLED_BACK
    assert [record.reason for record in decision.changes] == [Reason.BATCH_ROLLED_BACK]


KEPT = {
    "finals are late, but no later than before": ({"finalLatencyMs": "2400"}, LATE, {}),
    "finals are later, but in time": ({}, {**LATE, "final_latency_s": 1.9}, {}),
    "more arrives": ({"demand": "100"}, LATE, {}),
    "a little more arrives, and waits in the queue": (
        {"demand": "130"},
        {**LATE, "queue_wait_s": 2.0},
        {},
    ),
    "less arrives, so batches are smaller": ({"demand": "170"}, COSTLY, {}),
    "it costs hardly more": ({"costMs": "6.4"}, {"demand": 150.0}, {}),
    "batches take longer, but use no more of the CPU limit": (
        {"cpuCostMs": "6.6"},
        {**COSTLY, **CPU},
        {},
    ),
    "it cannot show yet": ({"age_s": 50.0}, LATE, {}),
    "it was long ago": ({"age_s": 300.0}, COSTLY, {}),
    "too few finals were seen": ({}, {**COSTLY, "finals": 50.0}, {"finals": 100.0}),
    "replicas changed meanwhile": ({}, COSTLY, {"fleet_changed_at": 999_931.0}),
    "it was a step back already": ({"reason": Reason.BATCH_ROLLED_BACK}, COSTLY, {}),
    "the spec was changed": ({"reason": Reason.SPEC_CHANGED}, COSTLY, {}),
    "another size is in force": ({"to": 5}, COSTLY, {}),
    "nothing was measured before": (
        {"demand": "none", "finalLatencyMs": "none", "costMs": "none"},
        COSTLY,
        {},
    ),
}


@pytest.mark.parametrize(("step", "load", "memory"), KEPT.values(), ids=KEPT)
def test_a_step_is_not_taken_back_when(
    decided, make_sample, make_fleet, watched, retuned, step, load, memory
):
    wishes = (Wish(999_900.0, 1, 2, 4),)
    memory = watched(retuned(**step), **{"finals": 300.0, "wishes": wishes, **memory})
    decision = decided(make_sample(**load), memory=replace(memory, fleet=(2, 2)))
    assert decision.reason != Reason.BATCH_ROLLED_BACK


def test_a_step_is_judged_as_soon_as_it_shows(
    decided, make_sample, make_spec, watched, retuned, now
):
    spec = make_spec(final_latency_ms=2000, batch=BatchTuning(settle_s=10, min_samples=20))
    early, shown = retuned(age_s=59.0), retuned(age_s=60.0)  # the window of demand is 60 s
    for change, size in ((early, 4), (shown, 3)):
        memory = watched(change, finals=30.0)
        assert decided(make_sample(**COSTLY), spec=spec, memory=memory).batch_size == size


@pytest.fixture
def grown(now):
    """A replica that was added 200 s ago because finals took 3 s."""
    inputs = (("demand", "150"), ("finalLatencyMs", "3000"))
    return Change(now - 200, "replicas", 1, 2, Reason.LATENCY_ABOVE_OBJECTIVE, inputs)


LATE_STILL = {"demand": 150.0, "final_latency_s": 2.9, "queue_wait_s": 2.5}


def test_growth_that_did_not_help_is_given_up(decided, make_sample, watched, grown):
    decision = decided(make_sample(**LATE_STILL), memory=watched(grown, lateness=(1.5, 1.5)))
    assert (decision.replicas, decision.reason) == (2, Reason.UNATTAINABLE)
    assert (decision.unattainable, decision.slo_met) == (True, False)


@pytest.mark.parametrize("load", [{"final_latency_s": 2.2, "queue_wait_s": 2.0}, {"demand": 170.0}])
def test_growth_goes_on_where_it_helped_or_more_arrives(decided, make_sample, watched, grown, load):
    memory = watched(grown, lateness=(1.2, 1.2))
    decision = decided(make_sample(**{**LATE_STILL, **load}), memory=memory)
    assert (decision.replicas, decision.unattainable) == (3, False)


def test_growth_is_not_judged_before_its_servers_are_there(
    decided, make_sample, make_fleet, watched, grown
):
    fleet = make_fleet(1, desired=2, unready=1)
    memory = watched(grown, lateness=(1.5, 1.5))
    assert not decided(make_sample(pods=1, **LATE_STILL), fleet, memory=memory).unattainable


def test_an_objective_below_the_time_of_the_smallest_batch_is_unattainable(
    decided, make_sample, make_fleet, make_spec, watched
):
    sample = make_sample(demand=30.0, final_latency_s=0.4, queue_wait_s=0.05)
    memory = watched(lateness=(4.0, 4.0))
    for batching in ("Auto", "Fixed"):
        spec = make_spec("Auto", batching, final_latency_ms=100, size=1)
        decision = decided(sample, make_fleet(batch_size=1), spec, memory)
        assert (decision.replicas, decision.reason) == (2, Reason.UNATTAINABLE)
        assert "spec.objectives.finalLatency" in decision.message
