"""Mode External: a HorizontalPodAutoscaler decides, by way of the AsrService's scale subresource.

It is made to want two pods, then one, by what it is told of their memory. When it lowers replicas,
every server has two sessions that stopped half-way through an utterance: one goes on once its
server drains, the other only after the drain is over.
"""

import asyncio

import pytest

from asr_server.bench import speech
from harness import asr, load, waiting

DRAIN_S = 20
SPEC = {"autoscaling": {"mode": "External"}, "lifecycle": {"drainTimeoutSeconds": DRAIN_S}}
NAME = "external"
WORKING = {("ScalingActive", "ValidMetricFound"), ("AbleToScale", "ReadyForNewScale")}
HPA_S = asr.READY_S  # metrics of a new pod take two rounds of metrics-server


def autoscaler(memory):
    """Return a HorizontalPodAutoscaler that wants as much memory as this used by each pod."""
    target = {"type": "AverageValue", "averageValue": memory}
    of = {"apiVersion": "asr-operator.dev/v1alpha1", "kind": "AsrService", "name": NAME}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME},
        "spec": {
            "scaleTargetRef": of,
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


@pytest.fixture(scope="module")
def external(new_namespace, resource_metrics):
    service = asr.Service(new_namespace("external"), NAME)
    service.apply(SPEC)
    return service


@pytest.fixture(scope="module")
def grown(external):
    """Let the autoscaler raise the replicas to two."""
    external.wait_ready()
    external.namespace.apply(autoscaler("32Mi"))
    wait_replicas(external, 2)
    external.wait_ready()
    return external


def wait_replicas(service, count):
    """Wait until the autoscaler wrote this count to the AsrService."""
    waiting.wait_for(
        f"{count} replicas by the autoscaler",
        lambda: (service.body["spec"]["replicas"], of_autoscaler(service)),
        lambda state: state[0] == count,
        deadline_s=HPA_S,
    )


def of_autoscaler(service):
    found = service.namespace.get("HorizontalPodAutoscaler", NAME)
    return found["status"] if found else {}


@pytest.fixture(scope="module")
def shrunk(grown):
    """Let the autoscaler lower the replicas to one under open sessions; return how those ended."""
    return asyncio.run(shrink(grown))


async def shrink(service):
    held = await load.hold_sessions(service, 2, 2)
    await asyncio.to_thread(service.namespace.apply, autoscaler("100Gi"))
    gone = await asyncio.to_thread(wait_draining, service, held)
    tardy = held[gone].pop()
    answers = [(each.said, await each.finish()) for each in held.pop(gone)]
    ended = await tardy.wait_end()
    for sessions in held.values():
        answers += [(each.said, await each.finish()) for each in sessions]
    return {"answers": answers, "tardy": tardy.said, "ended": ended}


def wait_draining(service, pods):
    """Wait until one of the pods drains; return its name."""
    answers = waiting.wait_for(
        "draining pod",
        lambda: {pod: service.readiness(pod) for pod in pods},
        lambda answers: any("drain" in answer for answer in answers.values()),
        deadline_s=HPA_S,
    )
    return next(pod for pod, answer in answers.items() if "drain" in answer)


def test_autoscaler_acts_on_what_the_pods_use(grown):
    status = waiting.wait_for(
        "autoscaler that has its metrics",
        lambda: of_autoscaler(grown),
        lambda status: {(each["type"], each["reason"]) for each in status["conditions"]} >= WORKING,
        deadline_s=HPA_S,
    )

    assert status["desiredReplicas"] == 2
    assert status["currentMetrics"][0]["resource"]["name"] == "memory"


def test_autoscaler_wrote_to_the_service_and_the_operator_to_the_deployment(grown):
    body, deployment = grown.body, grown.children()["Deployment"]

    assert scalers_of(body) == {("kube-controller-manager", "scale")}
    assert deployment["spec"]["replicas"] == 2
    assert scalers_of(deployment) == {("asr-operator", "")}


def scalers_of(body):
    """Return who owns spec.replicas, and the subresource by which it was written."""
    return {
        (each["manager"], each.get("subresource", ""))
        for each in body["metadata"]["managedFields"]
        if "f:replicas" in each["fieldsV1"].get("f:spec", {})
    }


def test_status_says_who_decides(grown):
    scaling = grown.condition("ScalingActive")

    assert (scaling["status"], scaling["reason"]) == ("False", "ScalingExternal")


def test_sessions_finish_on_servers_that_stay_and_that_drain(shrunk):
    answers = shrunk["answers"]

    assert len(answers) == 3
    assert [heard for _, heard in answers] == [said for said, _ in answers]


def test_session_that_outlives_the_drain_gets_what_it_said_and_is_told(shrunk):
    (text,), code, reason = shrunk["ended"]

    assert shrunk["tardy"].startswith(speech.words(text)[:4])
    assert code == 1001
    assert reason == "this server is shutting down: the time to finish is up"


def test_one_replica_is_left(shrunk, external):
    external.wait_ready()

    assert len(external.ready_pods()) == 1


def test_each_change_of_replicas_has_one_record(shrunk, external):
    history = external.status["scalingHistory"]

    assert [(each["knob"], each["from"], each["to"]) for each in history] == [
        ("replicas", 1, 2),
        ("replicas", 2, 1),
    ]
