"""Services as kubectl shows them."""

from datetime import UTC, datetime

import pytest

from asr_operator.kubectl import subject

BODY = {
    "apiVersion": "asr-operator.dev/v1alpha1",
    "kind": "AsrService",
    "metadata": {"name": "demo", "namespace": "speech", "uid": "1", "generation": 3},
    "spec": {"model": {"demo": {}}, "replicas": 2},
    "status": {
        "observedGeneration": 3,
        "replicas": 2,
        "readyReplicas": 2,
        "selector": "app=demo",
        "url": "ws://demo.speech.svc:10095",
        "batchSize": {"desired": 16, "applied": 16},
    },
}
HEALTHY = {
    "Ready": ("True", "Serving", "2 of 2 replicas are ready."),
    "SpecValid": ("True", "Valid", "The spec can be carried out."),
    "Progressing": ("False", "RolloutComplete", "2 of 2 replicas are of the current version."),
    "BatchSizeApplied": ("True", "Applied", "Every ready server reports it."),
}


@pytest.fixture
def now():
    return datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def seen():
    """A healthy service, with conditions, parts of its spec and parts of its status as given."""

    def make(conditions=None, spec=None, *, metadata=None, **status):
        rendered = [
            {
                "type": type_,
                "status": truth,
                "reason": reason,
                "message": message,
                "observedGeneration": 3,
                "lastTransitionTime": "2026-01-01T11:55:00Z",
            }
            for type_, (truth, reason, message) in (HEALTHY | (conditions or {})).items()
        ]
        return subject.parse_subject(
            {
                **BODY,
                "metadata": BODY["metadata"] | (metadata or {}),
                "spec": BODY["spec"] | (spec or {}),
                "status": BODY["status"] | {"conditions": rendered} | status,
            }
        )

    return make


@pytest.fixture
def unseen():
    """A service that no operator has looked at."""
    return subject.parse_subject({key: BODY[key] for key in BODY if key != "status"})
