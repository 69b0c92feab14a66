"""Specs that are valid and cannot work: a condition says why and what to do."""

import pytest

from harness import asr

CLAIM = {"demo": None, "pvc": {"claimName": "models", "path": "zh/large"}}
IMPOSSIBLE = {
    "no-claim": {"model": {"demo": None, "pvc": {"claimName": "nothing"}}},
    "no-folder": {"model": CLAIM},
    "no-gpu": {"runtime": {"device": "cuda", "gpuResourceName": "example.com/gpu"}},
    "no-room": {"runtime": {"resources": {"requests": {"cpu": "1000"}}}},
    "no-node": {"placement": {"nodeSelector": {"continent": "atlantis"}}},
    "no-quota": {"runtime": {"resources": {"requests": {"memory": "65Gi"}}}},
    "limits": {"runtime": {"resources": {"limits": {"memory": "128Mi"}}}},
}
EXPECTED = [
    ("no-claim", "ModelReady", "ClaimMissing", "spec.model.pvc.claimName"),
    ("no-folder", "ModelReady", "ModelFailed", "/models/zh/large"),
    ("no-gpu", "CapacityAvailable", "InsufficientGpu", "example.com/gpu"),
    ("no-room", "CapacityAvailable", "Unschedulable", "spec.runtime.resources.requests"),
    ("no-node", "CapacityAvailable", "Unschedulable", "spec.placement.nodeSelector"),
    ("no-quota", "CapacityAvailable", "QuotaExceeded", "ResourceQuota"),
    ("limits", "SpecValid", "RefusedByKubernetes", "memory"),
]


@pytest.fixture(scope="module")
def impossible(new_namespace):
    """Apply all of them at once, because most of the time is spent waiting."""
    namespace = new_namespace("impossible")
    add_empty_claim(namespace)
    quota = {"kind": "ResourceQuota", "metadata": {"name": "memory"}}
    namespace.apply({"apiVersion": "v1", **quota, "spec": {"hard": {"requests.memory": "64Gi"}}})
    for name, change in IMPOSSIBLE.items():
        asr.Service(namespace, name).apply(change)
    yield namespace
    namespace.kubectl("delete", "asr", "--all")
    namespace.kubectl("delete", "pvc", "--all")
    namespace.kubectl("delete", "pv", namespace.name)


def add_empty_claim(namespace):
    """Bind a claim to an empty folder of the node; there is no storage class in a bare cluster."""
    volume = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadOnlyMany"],
        "storageClassName": "",
        "claimRef": {"namespace": namespace.name, "name": "models"},
        "hostPath": {"path": f"/tmp/{namespace.name}", "type": "DirectoryOrCreate"},
    }
    claim = {
        "accessModes": ["ReadOnlyMany"],
        "storageClassName": "",
        "volumeName": namespace.name,
        "resources": {"requests": {"storage": "1Mi"}},
    }
    core = {"apiVersion": "v1"}
    namespace.apply(
        core | {"kind": "PersistentVolume", "metadata": {"name": namespace.name}, "spec": volume}
    )
    namespace.apply(
        core | {"kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": claim}
    )


@pytest.mark.parametrize(("name", "kind", "reason", "hint"), EXPECTED)
def test_condition_says_why_and_what_to_do(impossible, name, kind, reason, hint):
    service = asr.Service(impossible, name)

    condition = service.wait_condition(kind, "False", reason)
    ready = service.wait_condition("Ready", "False")

    assert hint in condition["message"]
    assert ready["message"]
    assert service.status["lastFailure"]["reason"] == reason
    service.wait_event(reason)
