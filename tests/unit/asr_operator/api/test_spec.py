from pathlib import Path

import pytest
import yaml

from asr_operator.api import spec
from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    Behavior,
    DemandWindows,
    Fallback,
    Objectives,
)
from asr_operator.api.fields import FieldError
from asr_operator.api.spec import (
    AsrServiceSpec,
    ClaimModel,
    ComputeAmounts,
    DemoModel,
    Exposure,
    InvalidSpec,
    Lifecycle,
    Runtime,
    SecretKey,
    Shedding,
)

ROOT = Path(__file__).parents[4]

FULL = {
    "model": {"pvc": {"claimName": "models", "path": "zh/large"}, "hotwords": ["打开", "b c"]},
    "runtime": {
        "device": "cpu",
        "dtype": "bfloat16",
        "gpuResourceName": "example.com/gpu",
        "image": "registry.example/other:1",
        "resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"cpu": "2500m"}},
        "maxSessions": 7,
    },
    "objectives": {"finalLatency": {"quantile": "p99"}, "gpuUtilization": "0.5"},
    "batching": {
        "mode": "Auto",
        "size": 3,
        "minSize": 2,
        "maxSize": 9,
        "audioSeconds": 4,
        "maxWaitMilliseconds": 5,
    },
    "autoscaling": {
        "mode": "External",
        "minReplicas": 2,
        "maxReplicas": 3,
        "behavior": {"demand": {"windowSeconds": 7}, "fallback": {"replicas": 3}},
    },
    "replicas": 6,
    "service": {
        "type": "NodePort",
        "port": 80,
        "tls": {"secretName": "cert"},
        "auth": {"secretName": "clients", "key": "list.txt"},
    },
    "shedding": {"lateMilliseconds": 8, "partialIntervalMilliseconds": 9},
    "lifecycle": {
        "drainTimeoutSeconds": 1,
        "maxSurge": 2,
        "maxUnavailable": 3,
        "progressDeadlineSeconds": 40,
    },
    "placement": {"nodeSelector": {"b": "2", "a": "1"}},
}


def test_every_field_is_read():
    assert spec.parse_spec({"spec": FULL}) == AsrServiceSpec(
        model=ClaimModel("models", "zh/large"),
        runtime=Runtime(
            device="cpu",
            dtype="bfloat16",
            gpu_resource_name="example.com/gpu",
            image="registry.example/other:1",
            requests=ComputeAmounts(cpu="2", memory="4Gi"),
            limits=ComputeAmounts(cpu="2500m"),
            max_sessions=7,
        ),
        objectives=Objectives(quantile="p99", gpu_utilization_ratio=0.5),
        batching=BatchPolicy("Auto", 3, min_size=2, max_size=9, audio_s=4, max_wait_ms=5),
        autoscaling=Autoscaling(
            "External",
            min_replicas=2,
            max_replicas=3,
            behavior=Behavior(demand=DemandWindows(window_s=7), fallback=Fallback(replicas=3)),
        ),
        replicas=6,
        exposure=Exposure("NodePort", 80, "cert", SecretKey("clients", "list.txt")),
        shedding=Shedding(late_ms=8, partial_interval_ms=9),
        lifecycle=Lifecycle(
            drain_timeout_s=1, max_surge=2, max_unavailable=3, progress_deadline_s=40
        ),
        node_selector=(("a", "1"), ("b", "2")),
        hotwords=("打开", "b c"),
    )


def test_absent_fields_have_the_defaults_of_the_definition():
    """The API server's defaults and ours must not differ."""
    bare = {"model": {"demo": {}}}
    assert spec.parse_spec({"spec": apply_defaults(read_schema(), bare)}) == spec.parse_spec(
        {"spec": bare}
    )
    assert spec.parse_spec({"spec": bare}) == AsrServiceSpec(model=DemoModel())


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"model": None}, "spec.model: set exactly one of demo and pvc"),
        ({"model": {"demo": {}, "pvc": {"claimName": "x"}}}, "spec.model: set exactly one"),
        ({"model": {"pvc": {}}}, "spec.model.pvc.claimName must be a string"),
        ({"model": {"pvc": {"claimName": "x", "path": "/x"}}}, "spec.model.pvc.path must be rel"),
        ({"model": {"pvc": {"claimName": "x", "path": "a/../b"}}}, "spec.model.pvc.path must be"),
        ({"model": {"pvc": "x"}}, "spec.model.pvc must be an object"),
        ({"model": {"demo": {}, "hotwords": "x"}}, "spec.model.hotwords must be a list"),
        ({"model": {"demo": {}, "hotwords": [5]}}, "spec.model.hotwords must be a list of strings"),
        ({"runtime": {"device": "tpu"}}, "spec.runtime.device must be one of cuda, cpu"),
        ({"runtime": {"image": ""}}, "spec.runtime.image must be a string"),
        ({"runtime": {"maxSessions": True}}, "spec.runtime.maxSessions must be an integer"),
        ({"runtime": {"resources": {"limits": {"cpu": 1.5}}}}, "spec.runtime.resources.limits.cpu"),
        ({"batching": {"size": -1}}, "spec.batching.size must be an integer of at least 0"),
        ({"batching": {"size": "8"}}, "spec.batching.size must be an integer"),
        ({"batching": {"mode": "Auto", "maxSize": 8}}, "spec.batching: in mode Auto"),
        ({"objectives": {"gpuUtilization": "1.5"}}, "spec.objectives.gpuUtilization must be a"),
        ({"autoscaling": {"mode": "On"}}, "spec.autoscaling.mode must be one of Off, Auto"),
        ({"autoscaling": {"minReplicas": 11}}, "spec.autoscaling: 1 <= minReplicas <="),
        ({"service": {"type": "ExternalName"}}, "spec.service.type must be one of ClusterIP"),
        ({"service": {"tls": {}}}, "spec.service.tls.secretName must be a string"),
        ({"service": {"auth": {"key": "a"}}}, "spec.service.auth.secretName must be a string"),
        ({"shedding": {"lateMilliseconds": -1}}, "spec.shedding.lateMilliseconds must be"),
        ({"placement": {"nodeSelector": {"a": 1}}}, "spec.placement.nodeSelector.a must be"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(fields, complaint):
    with pytest.raises(FieldError) as raised:
        spec.parse_spec({"spec": {"model": {"demo": {}}, **fields}})
    assert str(raised.value).startswith(complaint)


def test_a_service_with_a_bad_spec_still_has_its_identity():
    service = spec.parse_service(body(spec={"model": {}}))
    assert service.spec == InvalidSpec("spec.model: set exactly one of demo and pvc")
    assert (service.identity.name, service.generation) == ("demo", 4)


@pytest.mark.parametrize(
    ("annotations", "paused"),
    [
        (None, False),
        ({}, False),
        ({"asr-operator.dev/pause": "true"}, True),
        ({"asr-operator.dev/pause": "false"}, False),
    ],
)
def test_a_service_is_paused_by_its_annotation(annotations, paused):
    assert spec.parse_service(body(annotations=annotations)).paused is paused


def test_a_service_with_a_deletion_time_is_being_deleted():
    assert spec.parse_service(body(deletionTimestamp="2026-01-01T00:00:00Z")).deleting
    assert not spec.parse_service(body()).deleting


def body(spec=None, **metadata):
    identity = {"name": "demo", "namespace": "speech", "uid": "uid-1", "generation": 4}
    return {"metadata": {**identity, **metadata}, "spec": spec or {"model": {"demo": {}}}}


def read_schema():
    definition = yaml.safe_load((ROOT / "crds" / "asrservices.yaml").read_text())
    version = definition["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def apply_defaults(schema, value):
    """What the API server does: defaults from the outside in, for absent fields only."""
    if schema.get("type") != "object":
        return value
    filled = dict(value)
    for name, field in schema.get("properties", {}).items():
        if name not in filled and "default" in field:
            filled[name] = field["default"]
        if name in filled:
            filled[name] = apply_defaults(field, filled[name])
    return filled
