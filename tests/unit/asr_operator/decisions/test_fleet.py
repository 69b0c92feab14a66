from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import Autoscaling, BatchPolicy
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import Lifecycle, Runtime
from asr_operator.decisions import fleet
from asr_operator.state.scaling import Fleet

SAMPLED = "2026-01-01T11:59:"


@pytest.fixture
def auto(demo_spec):
    return demo_spec(
        batching=BatchPolicy("Auto", size=20),
        autoscaling=Autoscaling("Auto", min_replicas=3),
        lifecycle=Lifecycle(progress_deadline_s=600),
        runtime=Runtime(max_sessions=7),
    )


def test_before_anything_runs_the_fleet_is_what_the_spec_starts_with(observed, auto, now):
    assert fleet.judge_fleet(observed(auto), auto, now) == Fleet(
        desired=3, ready=(), batch_size=20, max_sessions=7
    )
    fixed = replace(auto, autoscaling=Autoscaling("Off"), replicas=0)
    assert fleet.judge_fleet(observed(fixed), fixed, now).desired == 0


def test_the_fleet_is_what_the_cluster_has(observed, auto, deployment, config, pod, now):
    pods = (
        pod(name="b", is_ready=True, created_at="2026-01-01T11:00:00Z", ready_at=SAMPLED + "00Z"),
        pod(name="a", is_ready=True, created_at="2026-01-01T11:58:00Z", ready_at=SAMPLED + "10Z"),
        pod(name="c", is_ready=True, created_at="2026-01-01T11:58:00Z", ready_at=SAMPLED + "20Z"),
        pod(name="starts", created_at="2026-01-01T11:50:01Z"),
        pod(name="will not start", created_at="2026-01-01T11:50:00Z"),
    )
    seen = observed(auto, deployment=deployment(desired=5), config=config(12), pods=pods)
    assert fleet.judge_fleet(seen, auto, now) == Fleet(
        desired=5,
        ready=("a", "b", "c"),
        unready=1,
        cold_start_s=80.0,
        batch_size=12,
        max_sessions=7,
    )


def test_the_fleet_is_what_the_operator_asked_for_not_somebody_else(
    observed, auto, deployment, now
):
    record = ScalingRecord("2026-01-01T11:00:00Z", "replicas", 2, 3, "CapacityNeeded")
    seen = observed(auto, deployment=deployment(desired=9, replicas_record=record))
    assert fleet.judge_fleet(seen, auto, now).desired == 3


@pytest.mark.parametrize(
    ("fields", "pods", "says"),
    [
        ({"pod_refusal": "exceeded quota: compute"}, [], "exceeded quota"),
        ({}, [{"unschedulable": "0/1 nodes: 1 Insufficient cpu."}], "Insufficient cpu"),
    ],
)
def test_what_keeps_more_pods_away_is_told(
    observed, auto, deployment, pod, now, fields, pods, says
):
    seen = observed(auto, deployment=deployment(**fields), pods=tuple(pod(**each) for each in pods))
    assert says in fleet.judge_fleet(seen, auto, now).blocked


def test_a_cold_start_with_a_mishap_is_not_measured(observed, auto, deployment, pod, now):
    from_crash = pod(is_ready=True, ready_at=SAMPLED + "00Z", terminated=object())
    seen = observed(auto, deployment=deployment(), pods=(from_crash,))
    assert fleet.judge_fleet(seen, auto, now).cold_start_s is None


@pytest.mark.parametrize(
    ("replicas", "costs"),
    [(1, {"a": "3", "d": "0"}), (2, {}), (3, {})],
    ids=["fewer", "as many", "more"],
)
def test_pods_with_few_sessions_go_first(observed, deployment, pod, load, blind, replicas, costs):
    pods = tuple(pod(name=name, is_ready=True) for name in "abcdef")
    noted = tuple(replace(each, deletion_cost="5") for each in pods[1::2])
    seen = observed(deployment=deployment(desired=2), pods=(*pods[::2], *noted))
    sessions = {"a": {"sessions": 3.0}, "b": {"sessions": 5.0}, "c": {"sessions": 0.0}}
    sessions |= {"d": {"sessions": 0.0}, "e": {}}
    tick = replace(blind, load=load(sessions))
    notes = fleet.decide_deletion_costs(seen, replicas, tick)
    assert {note.pod: dict(note.annotations) for note in notes} == {
        name: {"controller.kubernetes.io/pod-deletion-cost": cost} for name, cost in costs.items()
    }


def test_without_a_load_there_are_no_costs(observed, deployment, pod, blind):
    seen = observed(deployment=deployment(desired=2), pods=(pod(),))
    assert fleet.decide_deletion_costs(seen, 1, blind) == ()
    assert fleet.decide_deletion_costs(observed(), 1, blind) == ()
