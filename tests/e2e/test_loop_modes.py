"""The table of modes: who decides replicas and batch size, in each of the eight cells.

Every service has more sessions than one server should bear, and nobody speaks: the autoscaler would
have two servers, and batches of one. The spec says one server, and batches of two.
"""

import contextlib
import json

import pytest

from harness import asr, load, waiting

BEHAVIOR = {
    "intervalSeconds": 5,
    "staleSeconds": 15,
    "demand": {"windowSeconds": 10, "peakSeconds": 10},
    "scaleDown": {"stabilizationWindowSeconds": 5},
    "batch": {"intervalSeconds": 5, "settleSeconds": 5},
}
SPEC = {
    "runtime": {"maxSessions": 2},
    "batching": {"mode": "Auto", "size": 2, "maxSize": 2},
    "autoscaling": {"maxReplicas": 2, "behavior": BEHAVIOR},
}
SESSIONS = 2
DEADLINE_S = 120

# By the modes of autoscaling and batching: replicas, batch size, what is recommended, whether
# ScalingActive is true.
CELLS = {
    ("Auto", "Auto"): (2, 1, set(), True),
    ("Auto", "Fixed"): (2, 2, set(), True),
    ("Recommend", "Auto"): (1, 2, {"replicas", "batchSize"}, True),
    ("Recommend", "Fixed"): (1, 2, {"replicas"}, True),
    ("External", "Auto"): (1, 1, set(), True),
    ("External", "Fixed"): (1, 2, set(), False),
    ("Off", "Auto"): (1, 1, set(), True),
    ("Off", "Fixed"): (1, 2, set(), False),
}
MODES = ("Auto", "Recommend", "External", "Off")


@pytest.fixture(scope="module")
def services(new_namespace, prometheus):
    """One service of each mode of autoscaling, with sessions open."""
    namespace = new_namespace("modes")
    services = {mode: asr.Service(namespace, mode.lower()) for mode in MODES}
    for mode, service in services.items():
        service.apply(SPEC, {"autoscaling": {"mode": mode}})
    with contextlib.ExitStack() as sessions:
        for service in services.values():
            service.wait_ready()
        for service in services.values():
            sessions.enter_context(load.silent_sessions(service.url, SESSIONS))
        yield services


@pytest.fixture(scope="module")
def tuned(services):
    """What comes of it while the batch size is tuned."""
    return wait_decided(services, "Auto")


@pytest.fixture(scope="module")
def fixed(tuned, services):
    """What comes of it once the batch size is not tuned any more."""
    for service in services.values():
        service.patch({"batching": {"mode": "Fixed"}})
    return wait_decided(services, "Fixed")


def wait_decided(services, batching):
    """Wait until all services are as the table has them; return how they are in any case."""
    expected = {mode: CELLS[mode, batching] for mode in services}
    with contextlib.suppress(AssertionError):
        return waiting.wait_for(
            f"decisions with batching {batching}",
            lambda: {mode: decided(service) for mode, service in services.items()},
            lambda found: found == expected,
            deadline_s=DEADLINE_S,
        )
    return {mode: decided(service) for mode, service in services.items()}


def decided(service):
    children, status = service.children(), service.status
    live = json.loads(children["ConfigMap"]["data"]["config.json"])
    return (
        children["Deployment"]["spec"]["replicas"],
        live["batch_size"],
        set(status.get("recommendation", {})),
        service.condition("ScalingActive").get("status") == "True",
    )


@pytest.mark.parametrize("mode", MODES)
def test_batch_size_is_tuned_in_mode_auto(tuned, mode):
    assert tuned[mode] == CELLS[mode, "Auto"]


@pytest.mark.parametrize("mode", MODES)
def test_batch_size_is_that_of_the_spec_in_mode_fixed(fixed, mode):
    assert fixed[mode] == CELLS[mode, "Fixed"]


def test_what_is_recommended_is_what_mode_auto_does(fixed, services):
    assert services["Recommend"].status["recommendation"]["replicas"] == fixed["Auto"][0]
