import copy
from dataclasses import replace

import pytest

from asr_operator.cluster import observe
from asr_operator.state.observed import ObservedDeployment, ObservedPod, Termination

SCHEDULED = "2026-01-01T00:00:10Z"
NO_TIME = {"lastTransitionTime": None}
PREPARING = [
    {"type": "PodScheduled", "status": "True", "lastTransitionTime": SCHEDULED},
    {"type": "PodReadyToStartContainers", "status": "False"},
]
CREATED = "2026-01-01T00:00:00Z"
DESIRED = {"demo": 1, "claim": 3}


@pytest.fixture
def snapshot(stored):
    children = {kind: found for kind, found in stored.items() if kind != "AsrService"}
    return observe.Snapshot(stored["AsrService"], children, ())


def test_what_a_real_api_server_stored_is_read(snapshot):
    observed = observe.read_observed(snapshot)
    uid = observed.service.identity.uid
    assert {child.kind for child in observed.children} == set(snapshot.children)
    assert {child.controller_uid for child in observed.children} == {uid}
    assert observed.service_port == 10095
    assert '"generation": 1' in observed.config.text
    assert observed.deployment == ObservedDeployment(
        is_current=False, desired=DESIRED[observed.service.identity.name]
    )


def test_of_somebody_elses_objects_only_the_names_are_read(snapshot):
    for child in snapshot.children.values():
        del child["metadata"]["ownerReferences"]
    observed = observe.read_observed(snapshot)
    assert {child.controller_uid for child in observed.children} == {None}
    assert (observed.deployment, observed.service_port, observed.config) == (None, None, None)


def test_newer_versions_of_children_replace_what_was_read(snapshot):
    newer = copy.deepcopy(snapshot.children["Service"])
    newer["spec"]["ports"][0]["port"] = 80
    assert observe.read_observed(snapshot.replace({"Service": newer})).service_port == 80
    assert observe.read_observed(snapshot).service_port == 10095


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ObservedDeployment(is_current=False)),
        (
            {
                "observedGeneration": 2,
                "replicas": 3,
                "updatedReplicas": 2,
                "readyReplicas": 1,
                "conditions": [
                    {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
                ],
            },
            ObservedDeployment(is_current=True, replicas=3, updated_replicas=2, ready_replicas=1),
        ),
        (
            {
                "observedGeneration": 1,
                "conditions": [
                    {"type": "Progressing", "reason": "ProgressDeadlineExceeded"},
                    {"type": "ReplicaFailure", "status": "False", "message": "over"},
                ],
            },
            ObservedDeployment(is_current=False, deadline_exceeded=True),
        ),
        (
            {
                "observedGeneration": 2,
                "conditions": [
                    {
                        "type": "ReplicaFailure",
                        "status": "True",
                        "message": 'pods "demo-1-x7k2p" is forbidden: exceeded quota: compute',
                    }
                ],
            },
            ObservedDeployment(is_current=True, pod_refusal="exceeded quota: compute"),
        ),
    ],
)
def test_a_deployment_is_read(status, expected):
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 5}, "status": status}
    assert observe.read_deployment(deployment) == replace(expected, desired=5)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, {}),
        (
            {
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"state": {"running": {}}, "lastState": {}}],
            },
            {"is_ready": True, "is_running": True},
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "no node",
                    }
                ]
            },
            {"unschedulable": "no node"},
        ),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
                ]
            },
            {"waiting_reason": "ErrImagePull", "waiting_message": "not found"},
        ),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {
                            "terminated": {"exitCode": 1, "reason": "Error", "message": "no model"}
                        },
                    }
                ]
            },
            {
                "waiting_reason": "CrashLoopBackOff",
                "terminated": Termination(1, "Error", "no model"),
            },
        ),
        (
            {"containerStatuses": [{"state": {"terminated": {"exitCode": 2}}}]},
            {"terminated": Termination(2)},
        ),
        ({"conditions": PREPARING}, {"preparing_since": SCHEDULED}),
        ({"conditions": [{**PREPARING[0], **NO_TIME}, PREPARING[1]]}, {"preparing_since": CREATED}),
        ({"conditions": PREPARING[1:]}, {}),
        ({"conditions": [PREPARING[0], PREPARING[1] | {"status": "True"}]}, {}),
    ],
)
def test_a_pod_is_read(status, expected):
    labels = {"pod-template-hash": "7f"}
    metadata = {"name": "demo-7f-a", "labels": labels, "creationTimestamp": CREATED}
    pod = observe.read_pod({"metadata": metadata, "spec": {}, "status": status})
    assert pod == ObservedPod(name="demo-7f-a", template="7f", created_at=CREATED, **expected)


@pytest.mark.parametrize(("volume", "speaks_tls"), [("tls", True), ("tmp", False)])
def test_a_server_speaks_tls_if_it_has_a_certificate(volume, speaks_tls):
    metadata = {"name": "demo-7f-a", "creationTimestamp": CREATED}
    pod = observe.read_pod({"metadata": metadata, "spec": {"volumes": [{"name": volume}]}})
    assert pod.speaks_tls is speaks_tls


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"deletionTimestamp": CREATED}, {}),
        ({}, {"phase": "Failed"}),
        ({}, {"phase": "Succeeded"}),
    ],
)
def test_pods_that_are_on_their_way_out_do_not_count(snapshot, metadata, status):
    pod = {"metadata": {"name": "a", "creationTimestamp": CREATED, **metadata}, "status": status}
    gone = observe.Snapshot(snapshot.service, snapshot.children, (pod,))
    assert observe.read_observed(gone).pods == ()
