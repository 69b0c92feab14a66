"""Mode Auto for replicas and batch size: the load comes and goes, Prometheus is lost in between.

The story of one service: beside those who come all the time there is a rush, until one server is
too few; Prometheus cannot be reached, the rush is over; Prometheus is back, a server is given up.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from harness import asr, load, waiting

WINDOW_S = 10  # of scaling down
BEHAVIOR = {
    "intervalSeconds": 5,
    "staleSeconds": 15,
    "demand": {"windowSeconds": 10, "peakSeconds": 10},
    "scaleDown": {"stabilizationWindowSeconds": WINDOW_S, "periodSeconds": 5},
    "batch": {"intervalSeconds": 5, "settleSeconds": 5},
}
# An utterance takes about seven seconds: of the regulars five are there at a time, of the rush six.
REGULARS = {"every_s": 3.0, "turns": 2}
RUSH = {"every_s": 1.2, "turns": 1}
SPEC = {
    "runtime": {"maxSessions": 12},
    "objectives": {"finalLatency": {"milliseconds": 10_000}},  # sessions decide, not a busy machine
    "shedding": {"lateMilliseconds": 0},
    "batching": {"mode": "Auto", "size": 2, "maxSize": 4},
    "autoscaling": {"mode": "Auto", "maxReplicas": 2, "behavior": BEHAVIOR},
    "lifecycle": {"drainTimeoutSeconds": 60},
}
CHANGE_S = asr.READY_S
LATE_S = 15  # from a decision to the end of its write, at the most: the machine is busy
HISTORY = 10  # changes that the status keeps
KNOBS = {"deployments": "replicas", "configmaps": "batchSize"}
CHANGED = 200  # what is made for the first time is answered by 201
COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True)
class Blind:
    """What was seen while Prometheus could not be reached."""

    condition: dict
    replicas: int


@pytest.fixture(scope="module")
def auto(new_namespace, prometheus):
    service = asr.Service(new_namespace("auto"), "auto")
    service.apply(SPEC)
    service.wait_ready()
    return service


@pytest.fixture(scope="module")
def regulars(auto):
    with load.Crowd(auto.url, **REGULARS) as regulars:
        yield regulars


@pytest.fixture(scope="module")
def rush(auto, regulars):
    with load.Crowd(auto.url, **RUSH) as rush:
        yield rush


@pytest.fixture(scope="module")
def grown(auto, rush):
    """Wait until the operator has a second server; return the status then."""
    return wait_servers(auto, 2)


@pytest.fixture(scope="module")
def blind(grown, auto, rush, line):
    """Cut the operator off from Prometheus, and let the rush be over; return what was seen."""
    line.cut()
    try:
        condition = auto.wait_condition("MetricsAvailable", "False", "PrometheusUnreachable")
        rush.leave()
        replicas = waiting.stays("replicas", lambda: desired(auto), window_s=1.5 * WINDOW_S)
    finally:
        line.join()
    return Blind(condition, replicas)


@pytest.fixture(scope="module")
def costs(blind, auto):
    """Let the operator see again; return what its pods cost to delete, that which ends first.

    Nothing is written on a pod without sessions: it costs nothing as it is.
    """
    auto.wait_condition("MetricsAvailable", "True")
    pods = waiting.wait_for(
        "pod that ends",
        lambda: [pod["metadata"] for pod in auto.namespace.find("Pod")],
        lambda pods: any("deletionTimestamp" in pod for pod in pods),
        deadline_s=CHANGE_S,
    )
    pods.sort(key=lambda pod: "deletionTimestamp" not in pod)
    return [pod.get("annotations", {}).get(COST, "0") for pod in pods]


@pytest.fixture(scope="module")
def shrunk(costs, auto):
    """Wait until one server is left."""
    return wait_servers(auto, 1)


def wait_servers(service, count):
    return waiting.wait_for(
        f"{count} servers by the operator's own decision",
        lambda: service.status,
        lambda status: (status["replicas"], status["readyReplicas"]) == (count, count),
        deadline_s=CHANGE_S,
    )


def desired(service):
    return service.children()["Deployment"]["spec"]["replicas"]


def test_people_who_find_no_place_get_one_more_server(grown):
    (change,) = [each for each in grown["scalingHistory"] if each["knob"] == "replicas"]

    assert (change["from"], change["to"], change["reason"]) == (1, 2, "SessionsNeeded")
    assert float(change["inputs"]["sessions"]) > 0


def test_spec_replicas_is_ignored_and_the_status_says_so(grown, auto):
    scaling = auto.condition("ScalingActive")

    assert auto.body["spec"]["replicas"] == 1
    assert scaling["status"] == "True"
    assert "spec.replicas is ignored" in scaling["message"]


def test_lost_prometheus_is_named_and_nothing_is_scaled_down(blind):
    assert blind.condition["message"]
    assert blind.replicas == 2


def test_server_with_fewer_sessions_is_given_up(costs):
    given_up, kept = map(int, costs)

    assert given_up <= kept
    assert kept > 0


def test_every_utterance_was_heard_once_and_none_was_cut(shrunk, rush, regulars):
    for crowd in (rush, regulars):
        account = crowd.leave()
        assert account.sent >= 10
        assert account.is_whole, account
        assert (account.received, account.misheard) == (account.sent, 0)


def test_replicas_and_batch_size_came_back(shrunk, auto):
    status = waiting.wait_for(
        "applied batch size of 1",
        lambda: auto.status,
        lambda status: status["batchSize"] == {"desired": 1, "applied": 1},
        deadline_s=CHANGE_S,
    )

    assert status["replicas"] == 1
    assert auto.condition("BatchSizeApplied")["status"] == "True"


def test_each_write_of_a_knob_has_one_record(shrunk, auto, operator, audit_log):
    written = [
        (KNOBS[call.resource], call.at)
        for call in audit_log.calls(operator.user)
        if call.mutating and (call.namespace, call.code) == (auto.namespace.name, CHANGED)
        if call.resource in KNOBS
    ][-HISTORY:]
    recorded = [
        (each["knob"], datetime.fromisoformat(each["time"]))
        for each in auto.status["scalingHistory"]
    ]

    assert Counter(knob for knob, _ in written) == Counter(knob for knob, _ in recorded)
    assert {knob for knob, _ in written} == set(KNOBS.values())
    for (_, at), (_, decided) in zip(sorted(written), sorted(recorded), strict=True):
        assert timedelta(0) <= at - decided <= timedelta(seconds=LATE_S)


def test_each_record_was_told_as_an_event(shrunk, auto):
    told = auto.described().split("Events:")[1]

    for each in auto.status["scalingHistory"]:
        assert each["reason"] in told
