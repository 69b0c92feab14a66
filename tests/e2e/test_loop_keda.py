"""Mode External with KEDA, which asks Prometheus how many sessions are open.

KEDA is not part of every cluster: `make e2e-full` starts it.
"""

import pytest

from harness import asr, load, waiting

NAME = "keda"
SESSIONS = 2
KEDA_S = asr.READY_S + 60
# Whatever labels the scraping adds: `asr_server_info` on the same instance tells whose a series is.
QUERY = 'sum(asr_sessions * on (instance) group_left () asr_server_info{asr_namespace="%s"})'


def scaled_object(query, address):
    """Return a ScaledObject that wants a server for each session."""
    trigger = {"serverAddress": address, "query": query, "threshold": "1"}
    down = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
    of = {"apiVersion": "asr-operator.dev/v1alpha1", "kind": "AsrService", "name": NAME}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": NAME},
        "spec": {
            "scaleTargetRef": of,
            "pollingInterval": 5,
            "minReplicaCount": 1,
            "maxReplicaCount": 2,
            "advanced": {"horizontalPodAutoscalerConfig": down},
            "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": trigger}],
        },
    }


@pytest.fixture(scope="module")
def scaled(new_namespace, keda, prometheus):
    """A service that KEDA scales by its open sessions."""
    service = asr.Service(new_namespace("keda"), NAME)
    service.apply({"autoscaling": {"mode": "External"}})
    service.wait_ready()
    service.namespace.apply(scaled_object(QUERY % service.namespace.name, prometheus))
    return service


def test_replicas_follow_the_sessions(scaled):
    with load.silent_sessions(scaled.url, SESSIONS):
        wait_servers(scaled, 2)
    wait_servers(scaled, 1)

    changes = [(each["from"], each["to"]) for each in scaled.status["scalingHistory"]]
    assert changes == [(1, 2), (2, 1)]


def wait_servers(service, count):
    waiting.wait_for(
        f"{count} servers by KEDA's decision",
        lambda: (service.status, autoscaler_of(service)),
        lambda state: state[0]["readyReplicas"] == count == state[0]["replicas"],
        deadline_s=KEDA_S,
    )


def autoscaler_of(service):
    """Return the status of the HorizontalPodAutoscaler that KEDA made."""
    found = service.namespace.find("HorizontalPodAutoscaler")
    return [each["status"] for each in found]
