"""What holds for whatever the load says, from whatever state."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    Behavior,
    Fallback,
    Objectives,
    ScalingSpec,
)
from asr_operator.api.names import Reason
from asr_operator.autoscaler import decide, memory
from asr_operator.state.load import LoadSample, NoLoad, PodLoad, StageLoad
from asr_operator.state.scaling import Fleet

NOW = 1_000_000.0

values = st.none() | st.floats(0, 1e4) | st.just(math.nan) | st.just(9.2e18)
ratios = st.none() | st.floats(0, 2)
rates = st.floats(0.01, 1e3)


@st.composite
def specs(draw):
    min_replicas, max_replicas = sorted(draw(st.tuples(st.integers(1, 12), st.integers(1, 12))))
    sizes = sorted(draw(st.tuples(*[st.integers(1, 64)] * 3)))
    return ScalingSpec(
        Objectives(final_latency_ms=draw(st.integers(10, 5000))),
        BatchPolicy(draw(st.sampled_from(["Auto", "Fixed"])), sizes[1], sizes[0], sizes[2]),
        Autoscaling(
            draw(st.sampled_from(["Auto", "Recommend", "External", "Off"])),
            min_replicas,
            max_replicas,
            Behavior(fallback=Fallback(60, draw(st.none() | st.integers(1, 20)))),
        ),
    )


@st.composite
def samples(draw, at, pods):
    if draw(st.integers(0, 9)) == 0:
        return NoLoad(at, Reason.PROMETHEUS_UNREACHABLE, "down")
    stage = StageLoad(
        "asr", draw(rates), draw(rates), draw(rates), draw(rates), draw(st.floats(0, 1))
    )
    return LoadSample(
        at=at - draw(st.sampled_from([0.0, 5.0, 200.0])),
        window_s=60.0,
        pods=tuple(
            PodLoad(pod, draw(st.sampled_from([1.0, 200.0])), draw(values), 100.0, draw(values),
                    draw(ratios), draw(ratios), draw(ratios))
            for pod in draw(st.lists(st.sampled_from(pods), unique=True))
        ) if pods else (),
        demand_audio_ratio=draw(values),
        demand_peak_ratio=draw(values),
        refused_per_s=draw(st.none() | st.floats(0, 10)),
        finals=draw(st.none() | st.floats(0, 5000)),
        late_ratio=draw(st.none() | st.floats(0, 1)),
        final_latency_s=draw(st.none() | st.floats(0, 300)),
        queue_wait_s=draw(st.none() | st.floats(0, 120)),
        stages=draw(st.sampled_from([(), (stage,)])),
    )  # fmt: skip


@given(data=st.data(), spec=specs())
def test_whatever_is_seen(data, spec):
    """Bounds, one knob a tick, a record of each change, nothing taken away in the unknown."""
    remembered = memory.restore((), NOW - data.draw(st.sampled_from([0, 3600])))
    replicas, size = data.draw(st.integers(0, 15)), data.draw(st.integers(1, 80))
    for tick in range(8):
        at = NOW + 15 * tick
        ready = data.draw(st.integers(0, replicas))
        pods = tuple(f"pod-{number}" for number in range(ready))
        fleet = Fleet(
            desired=replicas,
            ready=pods,
            unready=data.draw(st.integers(0, 2)),
            blocked=data.draw(st.sampled_from([None, None, "quota"])),
            cold_start_s=data.draw(st.sampled_from([None, 60.0])),
            batch_size=size,
            max_sessions=100,
        )
        sample = data.draw(samples(at, pods))
        decision, remembered = decide.decide(sample, fleet, spec, remembered, at)
        _check_decision(decision, fleet, spec)
        replicas, size = decision.replicas, decision.batch_size


def _check_decision(decision, fleet, spec):
    scaling, batching = spec.autoscaling, spec.batching
    tuned = batching.mode == "Auto" and scaling.mode != "Recommend"
    size_before = fleet.batch_size if tuned else batching.size
    moved = (decision.replicas != fleet.desired, decision.batch_size != size_before)
    assert sum(moved) == len(decision.changes) <= 1
    assert not moved[0] or scaling.mode == "Auto"
    assert not moved[1] or tuned
    if scaling.mode == "Auto":
        assert scaling.min_replicas <= decision.replicas <= scaling.max_replicas
    in_bounds = scaling.mode != "Auto" or fleet.desired == decision.replicas
    if tuned and in_bounds:
        assert batching.min_size <= decision.batch_size <= batching.max_size
    if decision.knowledge == "unknown" or decision.metrics is not None:
        assert decision.replicas >= min(fleet.desired, scaling.max_replicas)
    if fleet.blocked and decision.replicas > fleet.desired:
        assert decision.changes[0].reason == Reason.OUT_OF_BOUNDS
    for change in decision.changes:
        before, after = (
            (fleet.desired, decision.replicas)
            if change.knob == "replicas"
            else (size_before, decision.batch_size)
        )
        assert (change.from_, change.to) == (before, after)


@pytest.mark.slow
@given(data=st.data(), desired=st.integers(1, 10), ticks=st.integers(1, 20))
def test_for_a_window_after_a_restart_nothing_is_taken_away(data, desired, ticks):
    spec = ScalingSpec(
        batching=BatchPolicy("Auto", 8, 1, 64), autoscaling=Autoscaling("Auto", 1, 10)
    )
    remembered, replicas = memory.restore((), NOW), desired
    for tick in range(ticks):
        at = NOW + 15 * tick
        pods = tuple(f"pod-{number}" for number in range(replicas))
        fleet = Fleet(replicas, pods, batch_size=8, max_sessions=100)
        sample = data.draw(samples(at, pods))
        decision, remembered = decide.decide(sample, fleet, spec, remembered, at)
        assert decision.replicas >= replicas
        assert tick >= 4 or decision.batch_size == 8
        replicas = decision.replicas


@given(start=st.integers(1, 30), least=st.integers(1, 5), size=st.integers(1, 64))
@settings(max_examples=20)
@pytest.mark.parametrize("batching", ["Auto", pytest.param("Fixed", marks=pytest.mark.slow)])
def test_an_idle_fleet_goes_down_to_the_least(batching, start, least, size):
    spec = ScalingSpec(
        batching=BatchPolicy(batching, size, 1, 64), autoscaling=Autoscaling("Auto", least, 30)
    )
    remembered, replicas, batch_size = memory.restore((), NOW), start, size
    for tick in range(4 * 60):
        at = NOW + 15 * tick
        pods = tuple(f"pod-{number}" for number in range(replicas))
        sample = LoadSample(
            at,
            60.0,
            tuple(PodLoad(pod, 1.0, 0.0, 100.0, 0.0) for pod in pods),
            demand_audio_ratio=0.0,
        )
        fleet = Fleet(replicas, pods, batch_size=batch_size, max_sessions=100)
        decision, remembered = decide.decide(sample, fleet, spec, remembered, at)
        replicas, batch_size = decision.replicas, decision.batch_size
    assert (replicas, batch_size) == (least, 1 if batching == "Auto" else size)
