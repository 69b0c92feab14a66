"""Whole runs: what is said is answered, sessions stay and move, pods cost what they are held."""

import pytest

from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    DemandWindows,
    Objectives,
    ScalingSpec,
)
from asr_operator.simulation import columns
from asr_operator.simulation.policies import Shipped
from asr_operator.simulation.profiles import Costs
from asr_operator.simulation.workload import Outage
from asr_operator.state.load import LoadSample, NoLoad

CALM = ((0.0, 2, 4),)


def test_every_utterance_is_answered(simulated, steady_calls, script):
    outcome = simulated(steady_calls(), script(*CALM))
    counters = outcome.counters
    assert counters[columns.FINALS] == counters[columns.INPUTS] > 1000
    assert counters[columns.UNANSWERED] == counters[columns.MOVED] == counters[columns.DROPPED] == 0
    assert outcome.violation_ratio == 0
    assert outcome.pods_s == pytest.approx(2 * 300)
    assert outcome.changed == 0


def test_the_same_seed_gives_the_same_run_and_another_gives_another(
    simulated, steady_calls, script
):
    runs = [simulated(steady_calls(), script(*CALM), seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_new_pod_serves_once_it_is_ready_and_costs_from_its_creation(
    simulated, steady_calls, script
):
    policy = script((0.0, 2, 4), (100.0, 4, 4))
    outcome = simulated(steady_calls(), policy)
    ready = {view.now: len(view.fleet.ready) for view in policy.views}
    assert ready[115.0] == 2
    assert ready[130.0] == 4
    assert [view.fleet.unready for view in policy.views if view.now == 115.0] == [2]
    assert outcome.pods_s == pytest.approx(2 * 300 + 2 * 200)
    assert outcome.changed == 1


def test_sessions_of_a_removed_pod_move_and_lose_nothing(simulated, steady_calls, script):
    outcome = simulated(steady_calls(), script((0.0, 2, 4), (100.0, 1, 4)))
    assert outcome.counters[columns.MOVED] > 5
    assert outcome.counters[columns.UNANSWERED] == 0
    assert 300 + 100 <= outcome.pods_s < 300 + 120


def test_sessions_of_a_pod_that_dies_come_back_with_what_they_said(simulated, steady_calls, script):
    outcome = simulated(steady_calls(), script(*CALM), outages=(Outage(100.0, 0.5),))
    calm = simulated(steady_calls(), script(*CALM))
    assert outcome.counters[columns.MOVED] > 5
    assert outcome.counters[columns.UNANSWERED] == 0
    assert outcome.counters[columns.FINALS] == calm.counters[columns.FINALS]


def test_who_finds_no_place_tries_again_and_then_gives_up(simulated, steady_calls, script, profile):
    full = profile(max_sessions=5)
    outcome = simulated(steady_calls(), script(*CALM), profile=full)
    counters = outcome.counters
    assert counters[columns.REFUSED] > counters[columns.DROPPED] > 10
    assert counters[columns.UNANSWERED] > 0
    assert outcome.violation_ratio > 0.1


def test_an_overloaded_pod_is_late(simulated, steady_calls, script):
    late = simulated(steady_calls(0.4), script((0.0, 1, 1)), replicas=1, batch_size=1)
    fast = simulated(steady_calls(0.4), script((0.0, 2, 8)))
    assert late.violation_ratio > 0.5 > 0.05 > fast.violation_ratio


def test_prometheus_knows_what_was_scraped_not_more(simulated, steady_calls, script, profile):
    policy = script(*CALM)
    simulated(steady_calls(), policy, profile=profile(has_gpu=True))
    early, late = policy.views[2], policy.views[-10]
    windows = DemandWindows()
    assert isinstance(
        early.telemetry.build_sample(10.0, windows, Objectives("p95"), early.profile), NoLoad
    )
    sample = late.sample(windows, Objectives("p95"))
    assert isinstance(sample, LoadSample)
    assert sample.demand_audio_ratio == pytest.approx(20.0, rel=0.2)
    assert sample.demand_peak_ratio >= sample.demand_audio_ratio
    assert {load.pod for load in sample.pods} == {"pod-0", "pod-1"}
    assert 0 < sample.pods[0].gpu_ratio == sample.pods[0].duty_ratio < 1
    assert 0.1 < sample.final_latency_s < 1.0
    (stage,) = sample.stages
    assert stage.padded_audio_ratio == pytest.approx(1.1 * sample.demand_audio_ratio, rel=0.05)


def test_what_is_used_of_a_cpu_limit_is_told(simulated, steady_calls, script, profile):
    policy = script(*CALM)
    limited = profile(costs=Costs(0.03, 0.02, quota_ratio=0.5))
    simulated(steady_calls(), policy, profile=limited)
    (first, _) = policy.views[-10].sample(DemandWindows(), Objectives("p95")).pods
    assert 0.3 < first.cpu_ratio < 1 != first.duty_ratio
    assert first.gpu_ratio is None


def test_the_shipped_autoscaler_believes_what_it_is_told_and_acts(simulated, steady_calls):
    policy = Shipped(ScalingSpec(Objectives("p95", 1000), BatchPolicy(), Autoscaling(mode="Auto")))
    outcome = simulated(steady_calls(0.3), policy, replicas=1, duration_s=200.0)
    assert policy.memory.last.knowledge == "loaded"
    assert outcome.changes[0].knob == "replicas"
    assert outcome.rows[-1].ready > 1
