import pytest

from asr_operator.api.names import Reason
from asr_operator.api.spec import Exposure, InvalidSpec, Lifecycle
from asr_operator.decisions import rollout
from asr_operator.state.observed import Termination

FAILED = Termination(1, "Error", "no model")


@pytest.mark.parametrize(
    ("fields", "complete"),
    [
        ({}, True),
        ({"is_current": False}, False),
        ({"updated_replicas": 1}, False),
        ({"ready_replicas": 1}, False),
        ({"replicas": 3}, False),
    ],
)
def test_a_rollout_is_complete_when_every_replica_is_current_and_ready(
    observed, deployment, fields, complete
):
    assert rollout.judge_rollout(observed(deployment=deployment(**fields))).is_complete is complete


def test_nothing_is_there_before_the_deployment(observed):
    fleet = rollout.judge_rollout(observed())
    assert (fleet.ready, fleet.updated, fleet.is_complete) == (0, 0, False)


@pytest.mark.parametrize(
    ("ready", "asked", "speaks_tls"),
    [
        ((), True, True),
        ((), False, False),
        ((False,), True, False),  # their successors wait for a Secret
        ((False, True), True, False),
        ((True, True), False, True),
    ],
)
def test_clients_need_tls_with_the_servers_that_are_ready(
    observed, demo_spec, pod, ready, asked, speaks_tls
):
    spec = demo_spec(exposure=Exposure(tls_secret="cert" if asked else None))
    starting = pod(speaks_tls=asked)
    pods = (starting, *(pod(is_ready=True, speaks_tls=tls) for tls in ready))
    assert rollout.speaks_tls(observed(spec, pods=pods), spec) is speaks_tls


@pytest.mark.parametrize(
    ("replicas", "max_unavailable", "needed"), [(3, 0, 3), (3, 1, 2), (1, 1, 1), (0, 0, 1)]
)
def test_as_many_replicas_are_needed_as_a_rollout_must_leave(
    observed, demo_spec, replicas, max_unavailable, needed
):
    spec = demo_spec(replicas=replicas, lifecycle=Lifecycle(max_unavailable=max_unavailable))
    assert rollout.judge_rollout(observed(spec)).needed == needed


def test_a_bad_spec_asks_for_what_is_there(observed, deployment):
    fleet = rollout.judge_rollout(observed(InvalidSpec("bad"), deployment=deployment()))
    assert (fleet.desired, fleet.is_complete) == (2, True)


def test_only_the_newest_template_is_judged(observed, pod):
    old = pod(name="demo-1-a", terminated=FAILED)
    new = pod(name="demo-2-a", template="2", created_at="2026-01-02T00:00:00Z")
    assert rollout.judge_rollout(observed(pods=(old,))).model_failure is not None
    fleet = rollout.judge_rollout(observed(pods=(old, new)))
    assert fleet.model_failure is None
    assert fleet.is_loading


def test_the_failure_told_does_not_depend_on_the_order_of_pods(observed, pod):
    first = pod(name="demo-1-a", terminated=FAILED)
    second = pod(name="demo-1-b", terminated=Termination(2, "Error", "bad flag"))
    there = rollout.judge_rollout(observed(pods=(first, second)))
    back = rollout.judge_rollout(observed(pods=(second, first)))
    assert there == back


def test_one_ready_server_shows_that_the_model_loads(observed, pod):
    pods = (pod(name="demo-1-a", is_ready=True), pod(name="demo-1-b"))
    fleet = rollout.judge_rollout(observed(pods=pods))
    assert (fleet.has_loaded, fleet.is_loading) == (True, True)


def test_refused_pods_are_a_lack_of_capacity(observed, deployment):
    refused = deployment(pod_refusal="exceeded quota: compute")
    fleet = rollout.judge_rollout(observed(deployment=refused))
    assert fleet.capacity_failure.reason == Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize(("is_current", "exceeded"), [(True, True), (False, False)])
def test_a_deadline_of_an_earlier_change_does_not_count(observed, deployment, is_current, exceeded):
    late = deployment(is_current=is_current, ready_replicas=1, deadline_exceeded=True)
    assert rollout.judge_rollout(observed(deployment=late)).deadline_exceeded is exceeded


@pytest.mark.parametrize(("replicas", "updated", "previous"), [(3, 1, True), (2, 2, False)])
def test_replicas_of_an_older_version_are_noticed(
    observed, deployment, replicas, updated, previous
):
    rolling = deployment(replicas=replicas, updated_replicas=updated)
    fleet = rollout.judge_rollout(observed(deployment=rolling))
    assert fleet.has_previous_version is previous
