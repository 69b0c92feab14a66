"""Whole stories: what was observed, and what each condition then says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from asr_operator.api.autoscaling import Autoscaling
from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import InvalidSpec, Runtime
from asr_operator.decisions import plan, report
from asr_operator.state.observed import ObservedChild, Termination
from asr_operator.state.plan import Problem, Refusal
from asr_operator.state.scaling import ScalingDecision
from asr_operator.state.tick import Tick

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CAUSES = ("Ready", "SpecValid", "Progressing", "ModelReady", "CapacityAvailable")
LATER = NOW + timedelta(minutes=5)

NO_IMAGE = {
    "is_running": False,
    "waiting_reason": "ErrImagePull",
    "waiting_message": "nowhere.example/x:1: not found",
}
NO_MODEL = {"is_running": False, "terminated": Termination(1, "Error", "no model")}
NO_GPU = {"is_running": False, "unschedulable": "0/1 nodes: 1 Insufficient nvidia.com/gpu."}
NO_CLAIM = {"is_running": False, "unschedulable": 'persistentvolumeclaim "m" not found'}


@pytest.fixture
def decide(policy, blind):
    def run(seen, refusals=(), now=NOW, tick=blind):
        planned = plan.plan_children(seen, policy, tick, now)
        return report.decide_status(seen, planned, refusals, tick, now)

    return run


def summarize(status):
    return {
        str(found.type): f"{found.status}/{found.reason}"
        for found in status.conditions
        if found.type in CAUSES
    }


def expect(ready, spec="True/Valid", progressing="True/RollingOut", **others):
    return {
        "Ready": ready,
        "SpecValid": spec,
        "Progressing": progressing,
        "ModelReady": others.get("model", "Unknown/NoServer"),
        "CapacityAvailable": others.get("capacity", "True/Scheduled"),
    }


def test_a_new_service_is_starting(observed, decide):
    assert summarize(decide(observed())) == expect("False/Starting")


def test_servers_that_load_are_waited_for(observed, decide, deployment, pod):
    seen = observed(deployment=deployment(ready_replicas=0), pods=(pod(),))
    assert summarize(decide(seen)) == expect("False/Starting", model="False/Loading")


def test_a_service_that_serves_is_ready(observed, decide, deployment, pod):
    seen = observed(deployment=deployment(), pods=(pod(is_ready=True),))
    status = decide(seen)
    assert summarize(status) == expect(
        "True/Serving", progressing="False/RolloutComplete", model="True/Loaded"
    )
    assert status.last_failure is None


def test_a_service_of_no_replicas_says_so(observed, decide, deployment, demo_spec):
    empty = deployment(replicas=0, updated_replicas=0, ready_replicas=0)
    status = decide(observed(demo_spec(replicas=0), deployment=empty))
    assert summarize(status) == expect("False/ScaledToZero", progressing="False/RolloutComplete")


@pytest.mark.parametrize(
    ("fields", "reason", "condition"),
    [
        (NO_IMAGE, "ImagePullFailed", "model"),
        (NO_MODEL, "ModelFailed", "model"),
        (NO_CLAIM, "ClaimMissing", "model"),
        (NO_GPU, "InsufficientGpu", "capacity"),
    ],
)
def test_a_service_that_cannot_start_says_why(
    observed, decide, deployment, pod, fields, reason, condition
):
    seen = observed(deployment=deployment(ready_replicas=0), pods=(pod(**fields),))
    status = decide(seen)
    assert summarize(status) == expect(f"False/{reason}", **{condition: f"False/{reason}"})
    assert status.last_failure.reason == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [(NO_IMAGE, "ImagePullFailed"), (NO_MODEL, "ModelFailed"), (NO_GPU, "InsufficientGpu")],
)
def test_a_bad_update_leaves_the_service_ready(observed, decide, deployment, pod, fields, reason):
    rolling = deployment(replicas=3, updated_replicas=1)
    bad = pod(name="demo-2-a", template="2", created_at="2026-01-02T00:00:00Z", **fields)
    status = decide(observed(deployment=rolling, pods=(pod(is_ready=True), bad)))
    ready = status.find(ConditionType.READY)
    assert (ready.status, ready.reason) == ("True", Reason.SERVING_PREVIOUS_VERSION)
    assert ready.message.startswith("2 of 2 replicas are ready, of the previous version.")
    assert reason in (found.reason for found in status.conditions)


def test_a_replica_that_fails_later_is_told_while_the_others_serve(
    observed, decide, deployment, demo_spec, pod
):
    spec = demo_spec(replicas=2, lifecycle=replace(demo_spec().lifecycle, max_unavailable=1))
    pods = (pod(is_ready=True), pod(name="demo-1-b", **NO_MODEL))
    status = decide(observed(spec, deployment=deployment(ready_replicas=1), pods=pods))
    assert summarize(status) == expect("True/Serving", model="False/ModelFailed")
    assert "no model" in status.find(ConditionType.READY).message


def test_a_change_that_was_not_taken_up_yet_is_not_counted(observed, decide, deployment):
    progressing = decide(observed(deployment=deployment(is_current=False))).find(
        ConditionType.PROGRESSING
    )
    assert (progressing.status, progressing.reason) == ("True", Reason.ROLLING_OUT)
    assert "2" not in progressing.message


def test_no_progress_is_told_with_its_cause(observed, decide, deployment, pod):
    late = deployment(ready_replicas=0, deadline_exceeded=True)
    for pods, says in (((), "kubectl describe"), ((pod(**NO_MODEL),), "no model")):
        progressing = decide(observed(deployment=late, pods=pods)).find(ConditionType.PROGRESSING)
        assert progressing.reason == Reason.PROGRESS_DEADLINE_EXCEEDED
        assert says in progressing.message


def test_a_spec_that_cannot_be_used_leaves_running_servers_ready(
    observed, decide, deployment, pod, demo_spec
):
    seen = {"deployment": deployment(), "pods": (pod(is_ready=True),)}
    forbidden = demo_spec(replicas=2, runtime=Runtime(image="evil:1"))
    for spec, reason in (
        (InvalidSpec("spec.x is bad"), "InvalidField"),
        (forbidden, "ImageNotAllowed"),
    ):
        assert summarize(decide(observed(spec, **seen))) == expect(
            "True/Serving", f"False/{reason}", "False/SpecInvalid", model="True/Loaded"
        )


def test_a_spec_that_cannot_be_used_is_why_a_new_service_is_not_ready(observed, decide):
    status = decide(observed(InvalidSpec("spec.x is bad")))
    assert summarize(status) == expect(
        "False/InvalidField", "False/InvalidField", "False/SpecInvalid"
    )


def test_a_paused_service_goes_on_reporting(observed, decide, deployment, pod):
    paused = observed(paused=True, deployment=deployment(), pods=(pod(is_ready=True),))
    status = decide(paused)
    assert summarize(status) == expect(
        "True/Serving", progressing="False/Paused", model="True/Loaded"
    )
    assert "pause" in status.find(ConditionType.READY).message


def test_a_taken_name_is_told(observed, decide, children):
    foreign = ObservedChild("Service", "demo", None)
    status = decide(observed(children=(foreign,)))
    assert summarize(status) == expect("False/NameTaken", progressing="False/NameTaken")


@pytest.mark.parametrize(
    ("is_invalid", "spec", "progressing", "ready"),
    [
        (True, "False/RefusedByKubernetes", "False/SpecInvalid", "False/RefusedByKubernetes"),
        (False, "True/Valid", "False/ChangeRefused", "False/ChangeRefused"),
    ],
)
def test_a_refused_child_is_told(observed, decide, is_invalid, spec, progressing, ready):
    refusal = Refusal("Deployment", "demo", "must be less than or equal to cpu limit", is_invalid)
    status = decide(observed(), (refusal,))
    assert summarize(status) == expect(ready, spec, progressing)
    assert "cpu limit" in status.find(ConditionType.READY).message


def test_what_is_reported_was_observed(observed, decide, deployment, config):
    status = decide(observed())
    assert (status.url, status.desired_batch_size, status.replicas) == ("", None, 0)
    seen = observed(
        deployment=deployment(replicas=3, ready_replicas=1),
        service_port=80,
        config=config(5),
    )
    status = decide(seen)
    assert status.url == "ws://demo.speech.svc:80"
    assert decide(replace(seen, service_tls=True)).url == "wss://demo.speech.svc:80"
    assert status.desired_batch_size == 5
    assert (status.replicas, status.ready_replicas) == (3, 1)
    assert status.observed_generation == 3
    assert status.selector == ("app.kubernetes.io/instance=demo,app.kubernetes.io/name=asr-server")


def test_the_same_observation_makes_the_same_status(observed, decide, deployment, pod):
    """Otherwise a quiet service would be written again and again."""
    for fields in ({"is_ready": True}, NO_IMAGE, NO_MODEL, NO_GPU):
        seen = {"deployment": deployment(ready_replicas=1), "pods": (pod(**fields),)}
        first = decide(observed(**seen))
        assert decide(observed(status=first, **seen), now=LATER) == first


def test_the_transition_time_moves_with_the_status_only(observed, decide, deployment, pod):
    first = decide(observed())
    reason_changed = decide(
        observed(status=first, deployment=deployment(ready_replicas=0), pods=(pod(**NO_MODEL),)),
        now=LATER,
    )
    ready = reason_changed.find(ConditionType.READY)
    assert (ready.reason, ready.last_transition_time) == ("ModelFailed", "2026-01-01T12:00:00Z")
    serving = decide(observed(status=reason_changed, deployment=deployment()), now=LATER)
    assert serving.find(ConditionType.READY).last_transition_time == "2026-01-01T12:05:00Z"


def test_the_last_failure_is_kept_when_it_is_over(observed, decide, deployment, pod):
    failed = decide(observed(deployment=deployment(ready_replicas=0), pods=(pod(**NO_MODEL),)))
    assert failed.last_failure.time == "2026-01-01T12:00:00Z"
    healthy = {"deployment": deployment(), "pods": (pod(is_ready=True),)}
    recovered = decide(observed(status=failed, **healthy), now=LATER)
    assert recovered.last_failure == failed.last_failure


def tell(old, new):
    return [(told.type, told.reason) for told in report.find_transitions(old, new)]


def test_each_cause_is_told_once(observed, decide, deployment, pod):
    new = decide(observed(deployment=deployment(ready_replicas=0), pods=(pod(**NO_MODEL),)))
    assert tell(observed().status, new) == [("Warning", "ModelFailed"), ("Normal", "RollingOut")]


def test_nothing_is_told_twice(observed, decide):
    status = decide(observed())
    assert tell(observed().status, status) == [("Normal", "Starting"), ("Normal", "RollingOut")]
    assert tell(status, status) == []
    reworded = tuple(replace(found, message="other words") for found in status.conditions)
    assert tell(status, replace(status, conditions=reworded)) == []


def test_a_recovery_is_told(observed, decide, deployment, pod):
    failed = decide(observed(deployment=deployment(ready_replicas=0), pods=(pod(**NO_GPU),)))
    healthy = decide(observed(deployment=deployment(), pods=(pod(is_ready=True),)))
    assert tell(failed, healthy) == [
        ("Normal", "Serving"),
        ("Normal", "RolloutComplete"),
        ("Normal", "Scheduled"),
    ]


def test_a_failure_that_gives_way_to_waiting_is_not_a_recovery(observed, decide, deployment, pod):
    failed = decide(observed(deployment=deployment(ready_replicas=0), pods=(pod(**NO_MODEL),)))
    waiting = decide(observed(deployment=deployment(ready_replicas=0)))
    assert tell(failed, waiting) == []


def test_a_bad_update_is_told_by_its_cause_alone(observed, decide, deployment, pod):
    serving = decide(observed(deployment=deployment(), pods=(pod(is_ready=True),)))
    bad = pod(name="demo-2-a", template="2", created_at="2026-01-02T00:00:00Z", **NO_IMAGE)
    rolling = deployment(replicas=3, updated_replicas=1)
    broken = decide(observed(deployment=rolling, pods=(pod(is_ready=True), bad)))
    assert tell(serving, broken) == [("Normal", "RollingOut"), ("Warning", "ImagePullFailed")]


def test_a_bad_spec_is_told_once(observed, decide, demo_spec):
    good = decide(observed())
    bad = decide(observed(demo_spec(runtime=Runtime(image="evil:1"))))
    assert tell(good, bad) == [("Warning", "ImageNotAllowed")]


def scaling(status):
    return {
        str(found.type): f"{found.status}/{found.reason}"
        for found in status.conditions
        if found.type not in CAUSES
    }


@pytest.fixture
def decided(load):
    """A tick of a service in mode Auto, with a decision."""

    def make(**fields):
        decision = ScalingDecision("loaded", 2, 16, Reason.STEADY, "All is well.", **fields)
        return Tick(load({"demo-1-a": {"config_generation": 1, "sessions": 1.0}}), decision)

    return make


def test_without_prometheus_a_service_of_fixed_size_has_nothing_to_complain_of(
    observed, decide, deployment, config, pod, blind
):
    seen = {"deployment": deployment(), "config": config(), "pods": (pod(is_ready=True),)}
    decision = ScalingDecision("unknown", 2, 16, Reason.SCALING_OFF, "As set.")
    status = decide(observed(**seen), tick=replace(blind, decision=decision))
    assert scaling(status) == {
        "MetricsAvailable": "False/PrometheusNotConfigured",
        "ScalingActive": "False/ScalingOff",
        "ScalingLimited": "False/NotLimited",
        "BatchSizeApplied": "Unknown/PrometheusNotConfigured",
        "SloMet": "Unknown/NoFinals",
    }
    assert {type_ for type_, _ in tell(observed().status, status)} == {"Normal"}


def test_a_service_that_is_tuned_says_how_it_is(observed, decide, deployment, config, pod, decided):
    seen = observed(deployment=deployment(), config=config(), pods=(pod(is_ready=True),))
    status = decide(seen, tick=decided(slo_met=True))
    assert scaling(status) == {
        "MetricsAvailable": "True/MetricsFound",
        "ScalingActive": "False/Steady",
        "ScalingLimited": "False/NotLimited",
        "BatchSizeApplied": "True/BatchSizeReported",
        "SloMet": "True/ObjectiveMet",
    }
    assert (status.sessions, status.load.time) == (1, "2026-01-01T12:00:00Z")


@pytest.mark.parametrize(
    ("fields", "warning", "recovery"),
    [
        (
            {"limited": Problem(Reason.MAX_REPLICAS_REACHED, "Raise it.")},
            [("Warning", "MaxReplicasReached")],
            [("Normal", "NotLimited")],
        ),
        (
            {"metrics": Problem(Reason.SERIES_STALE, "See why.")},
            [("Warning", "SeriesStale")],
            [("Normal", "MetricsFound")],
        ),
        (
            {"slo_met": False, "unattainable": True},
            [("Warning", "Unattainable")],
            [("Normal", "ObjectiveMet")],
        ),
        ({"slo_met": False}, [], []),
    ],
    ids=["a limit", "metrics that are missing", "an impossible objective", "a missed objective"],
)
def test_what_is_wrong_with_scaling_is_told_and_its_end_too(
    observed, decide, deployment, pod, decided, fields, warning, recovery
):
    seen = {"deployment": deployment(), "pods": (pod(is_ready=True),)}
    well = decide(observed(**seen), tick=decided(slo_met=True))
    bad = decide(observed(status=well, **seen), tick=decided(**{"slo_met": True, **fields}))
    assert tell(well, bad) == warning
    again = decide(observed(status=bad, **seen), tick=decided(slo_met=True))
    assert tell(bad, again) == recovery
    assert bad.last_failure is None


def test_in_mode_auto_ready_is_about_what_was_decided(
    observed, decide, deployment, demo_spec, pod, decided
):
    auto = demo_spec(replicas=0, autoscaling=Autoscaling("Auto"))
    seen = observed(auto, deployment=deployment(), pods=(pod(is_ready=True),))
    ready = decide(seen, tick=decided()).find(ConditionType.READY)
    assert (ready.status, ready.message) == ("True", "2 of 2 replicas are ready.")
    new = decide(observed(auto), tick=decided()).find(ConditionType.READY)
    assert (new.status, new.reason) == ("False", Reason.STARTING)


def test_a_record_of_a_child_reaches_the_history(observed, decide, deployment):
    record = ScalingRecord("2026-01-01T11:00:00Z", "replicas", 1, 2, "CapacityNeeded")
    status = decide(observed(deployment=deployment(replicas_record=record)))
    assert status.scaling_history == (record,)
