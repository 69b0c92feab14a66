"""Short ways to say what was observed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asr_operator.api import spec, status
from asr_operator.api.names import Reason
from asr_operator.api.spec import AsrService, AsrServiceSpec, DemoModel, Identity
from asr_operator.state.load import LoadSample, NoLoad, PodLoad
from asr_operator.state.observed import (
    Observed,
    ObservedChild,
    ObservedConfig,
    ObservedDeployment,
    ObservedPod,
)
from asr_operator.state.plan import Knobs
from asr_operator.state.policy import ServerPolicy
from asr_operator.state.tick import Tick

OWNER = Identity("demo", "speech", "uid-1")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STORED = Path(__file__).parent / "cluster" / "stored"


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def owner():
    return OWNER


@pytest.fixture
def policy():
    return ServerPolicy(image="registry.example/asr-server:1")


@pytest.fixture
def demo_spec():
    """A spec with the demo model and its other fields as given."""

    def make(**fields: Any) -> AsrServiceSpec:
        return AsrServiceSpec(**{"model": DemoModel(), **fields})

    return make


@pytest.fixture
def knobs():
    """The knobs as a spec says, without a record."""

    def make(spec_: AsrServiceSpec, **fields: Any) -> Knobs:
        return Knobs(spec_.replicas, spec_.batching.size, **fields)

    return make


@pytest.fixture
def observed(demo_spec):
    """What was observed: by default a new service that nothing was done for yet."""

    def make(spec_: Any = None, **fields: Any) -> Observed:
        service = AsrService(
            identity=OWNER,
            generation=fields.pop("generation", 3),
            paused=fields.pop("paused", False),
            deleting=False,
            spec=demo_spec(replicas=2) if spec_ is None else spec_,
        )
        return Observed(
            service=service, status=fields.pop("status", status.AsrServiceStatus()), **fields
        )

    return make


@pytest.fixture
def deployment():
    """A Deployment with two replicas that are ready and current, except as given."""

    def make(**fields: Any) -> ObservedDeployment:
        healthy = {"desired": 2, "replicas": 2, "updated_replicas": 2, "ready_replicas": 2}
        return ObservedDeployment(**{"is_current": True, **healthy, **fields})

    return make


@pytest.fixture
def pod():
    """A server pod that is loading its model, except as given."""

    def make(**fields: Any) -> ObservedPod:
        default = {
            "name": "demo-1-a",
            "template": "1",
            "created_at": "2026-01-01T00:00:00Z",
            "is_running": True,
        }
        return ObservedPod(**{**default, **fields})

    return make


@pytest.fixture
def children():
    """Every child, owned by the service."""
    kinds = {"Deployment": "demo", "Service": "demo", "ConfigMap": "demo-live"}
    return tuple(ObservedChild(kind, name, OWNER.uid) for kind, name in kinds.items())


@pytest.fixture(params=["demo", "claim"])
def stored(request):
    """A service and its children as a real API server (Kubernetes 1.34) stored them, by kind."""
    objects = json.loads((STORED / f"{request.param}.json").read_text())
    return {found["kind"]: found for found in objects}


@pytest.fixture
def stored_service(stored):
    return spec.parse_service(stored["AsrService"])


@pytest.fixture
def stored_policy(stored):
    """The policy that the stored children were built with."""
    secrets = ("pull",) if stored["AsrService"]["metadata"]["name"] == "claim" else ()
    return ServerPolicy("registry.example/asr-server:1", image_pull_secrets=secrets)


@pytest.fixture
def config():
    """A live configuration of a generation and a batch size."""

    def make(batch_size: int = 16, generation: int = 1, **fields: Any) -> ObservedConfig:
        return ObservedConfig(
            json.dumps({"generation": generation, "batch_size": batch_size}), **fields
        )

    return make


@pytest.fixture
def load():
    """A load as of now, of pods given as `name=fields`, and other fields as given."""

    def make(pods: dict[str, dict[str, Any]] | None = None, **fields: Any) -> LoadSample:
        reports = tuple(
            PodLoad(name, **{"age_s": 1.0, **values}) for name, values in (pods or {}).items()
        )
        return LoadSample(**{"at": NOW.timestamp(), "window_s": 60.0, "pods": reports, **fields})

    return make


@pytest.fixture
def blind():
    """A tick of an operator that knows no Prometheus and decides nothing."""
    return Tick(NoLoad(NOW.timestamp(), Reason.PROMETHEUS_NOT_CONFIGURED, "set it"))
