"""The definition of AsrService against the code that reads and writes it."""

from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from asr_operator.api import names, spec, status
from asr_operator.api.scaling_status import (
    LONGEST_HISTORY,
    BoundsInForce,
    LoadSummary,
    Recommendation,
    ScalingRecord,
)
from asr_operator.decisions import plan
from asr_operator.state.load import NoLoad
from asr_operator.state.observed import Observed
from asr_operator.state.policy import ServerPolicy
from asr_operator.state.tick import Tick

CRD = yaml.safe_load((Path(__file__).parents[2] / "crds" / "asrservices.yaml").read_text())
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]
DEMO = {"model": {"demo": {}}}
CLAIM = {"model": {"pvc": {"claimName": "models"}}}
POLICY = ServerPolicy(image="asr-server:1", image_patterns=("*",))
AUTH = DEMO | {"service": {"auth": {"secretName": "speech-tokens"}}}
BLIND = Tick(NoLoad(0, names.Reason.PROMETHEUS_NOT_CONFIGURED, "set it"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# A value unlike the default for every field, and the spec in which it changes a child,
CHILD_CHANGES = {
    "spec.model.pvc.claimName": (CLAIM, "others"),
    "spec.model.pvc.path": (CLAIM, "zh/large"),
    "spec.model.hotwords": (DEMO, ["打开", "hello"]),
    "spec.runtime.device": (DEMO, "cpu"),
    "spec.runtime.dtype": (DEMO, "float16"),
    "spec.runtime.gpuResourceName": (DEMO, "nvidia.com/mig-1g.10gb"),
    "spec.runtime.image": (DEMO, "asr-server:2"),
    "spec.runtime.maxSessions": (DEMO, 7),
    "spec.runtime.resources.requests.cpu": (DEMO, "2"),
    "spec.runtime.resources.requests.memory": (DEMO, "1Gi"),
    "spec.runtime.resources.limits.cpu": (DEMO, 3),
    "spec.runtime.resources.limits.memory": (DEMO, "2Gi"),
    "spec.batching.size": (DEMO, 7),
    "spec.batching.audioSeconds": (DEMO, 7),
    "spec.batching.maxWaitMilliseconds": (DEMO, 7),
    "spec.replicas": (DEMO, 7),
    "spec.service.type": (DEMO, "NodePort"),
    "spec.service.port": (DEMO, 7000),
    "spec.service.tls.secretName": (DEMO, "speech-tls"),
    "spec.service.auth.secretName": (DEMO, "speech-tokens"),
    "spec.service.auth.key": (AUTH, "list.txt"),
    "spec.shedding.lateMilliseconds": (DEMO, 7),
    "spec.shedding.partialIntervalMilliseconds": (DEMO, 7),
    "spec.lifecycle.drainTimeoutSeconds": (DEMO, 7),
    "spec.lifecycle.maxSurge": (DEMO, 7),
    "spec.lifecycle.maxUnavailable": (DEMO, 7),
    "spec.lifecycle.progressDeadlineSeconds": (DEMO, 77),
    "spec.placement.nodeSelector": (DEMO, {"pool": "gpu"}),
}
# or what the autoscaler is told.
SCALING_CHANGES = {
    "spec.objectives.finalLatency.quantile": "p50",
    "spec.objectives.finalLatency.milliseconds": 700,
    "spec.objectives.gpuUtilization": "0.55",
    "spec.batching.mode": "Auto",
    "spec.batching.minSize": 7,
    "spec.batching.maxSize": 77,
    "spec.autoscaling.mode": "Auto",
    "spec.autoscaling.minReplicas": 7,
    "spec.autoscaling.maxReplicas": 7,
    "spec.autoscaling.schedules": [
        {"name": "day", "from": "08:00", "to": "18:00", "minReplicas": 2, "maxReplicas": 7}
    ],
    "spec.autoscaling.behavior.intervalSeconds": 7,
    "spec.autoscaling.behavior.staleSeconds": 7,
    "spec.autoscaling.behavior.demand.windowSeconds": 7,
    "spec.autoscaling.behavior.demand.peakSeconds": 7,
    "spec.autoscaling.behavior.scaleUp.stabilizationWindowSeconds": 7,
    "spec.autoscaling.behavior.scaleUp.maxPercent": 7,
    "spec.autoscaling.behavior.scaleUp.maxPods": 7,
    "spec.autoscaling.behavior.scaleUp.periodSeconds": 7,
    "spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds": 7,
    "spec.autoscaling.behavior.scaleDown.maxPercent": 7,
    "spec.autoscaling.behavior.scaleDown.periodSeconds": 7,
    "spec.autoscaling.behavior.batch.intervalSeconds": 7,
    "spec.autoscaling.behavior.batch.minSamples": 7,
    "spec.autoscaling.behavior.batch.settleSeconds": 7,
    "spec.autoscaling.behavior.fallback.afterSeconds": 7,
    "spec.autoscaling.behavior.fallback.replicas": 7,
}


def leaves(schema, path):
    """List the path of every field that holds a value."""
    for name, each in schema.get("properties", {}).items():
        if each.get("properties"):
            yield from leaves(each, f"{path}.{name}")
        elif (path, name) != ("spec.model", "demo"):
            yield f"{path}.{name}"


def defaulted(schema, value):
    """Fill in defaults as the API server does."""
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    filled = {name: each["default"] for name, each in fields.items() if "default" in each} | value
    return {name: defaulted(fields.get(name, {}), each) for name, each in filled.items()}


def with_value(base, path, value):
    """Return a spec with one field set."""
    _, name, *rest = path.split(".")
    if rest:
        value = with_value(base.get(name, {}), ".".join([name, *rest]), value)
    return base | {name: value}


def body(spec_):
    metadata = {"name": "speech", "namespace": "team", "uid": "1", "generation": 1}
    return {"metadata": metadata, "spec": spec_}


def children(spec_):
    """Return the children that the operator plans for a spec."""
    service = spec.parse_service(body(defaulted(SCHEMA["spec"], spec_)))
    observed = Observed(service, status.AsrServiceStatus())
    planned = plan.plan_children(observed, POLICY, BLIND, NOW)
    assert planned.spec_problem is None
    return planned.children


def test_names_are_the_definition_s():
    assert CRD["spec"]["group"] == names.GROUP
    assert VERSION["name"] == names.VERSION
    assert CRD["spec"]["names"]["kind"] == names.KIND
    assert CRD["spec"]["names"]["plural"] == names.PLURAL


@pytest.mark.parametrize("source", [DEMO, CLAIM, AUTH], ids=["demo", "pvc", "auth"])
def test_defaults_in_the_code_are_those_of_the_definition(source):
    assert spec.parse_spec(body(source)) == spec.parse_spec(body(defaulted(SCHEMA["spec"], source)))


def test_lists_of_changes_above_are_complete():
    found = set(leaves(SCHEMA["spec"], "spec"))

    assert found == CHILD_CHANGES.keys() | SCALING_CHANGES.keys()


@pytest.mark.parametrize("path", SCALING_CHANGES)
def test_every_field_for_the_autoscaler_reaches_it(path):
    changed = defaulted(SCHEMA["spec"], with_value(DEMO, path, SCALING_CHANGES[path]))

    assert spec.parse_spec(body(changed)).scaling != spec.parse_spec(body(DEMO)).scaling


@pytest.mark.parametrize("path", CHILD_CHANGES)
def test_every_other_field_makes_a_difference_to_a_child(path):
    base, value = CHILD_CHANGES[path]

    assert children(with_value(base, path, value)) != children(base)


def test_status_that_is_written_fits_the_definition():
    condition = status.Condition(
        names.ConditionType.READY, "True", names.Reason.SERVING, "Fine.", 3, status.render_time(NOW)
    )
    failure = status.LastFailure(names.Reason.MODEL_FAILED, "Broken.", status.render_time(NOW))
    record = ScalingRecord(status.render_time(NOW), "replicas", 1, 2, "SpecChanged", (("a", "1"),))
    full = status.AsrServiceStatus(
        observed_generation=3,
        conditions=(condition,),
        replicas=2,
        ready_replicas=1,
        selector="a=b",
        url="ws://speech.team.svc:10095",
        desired_batch_size=16,
        applied_batch_size=16,
        sessions=3,
        load=LoadSummary(
            status.render_time(NOW),
            412,
            30,
            "3.20",
            "0.00",
            "0.42",
            "0.55",
            "DCGM_FI_DEV_GPU_UTIL",
            gpus_shared=True,
        ),
        recommendation=Recommendation(3, 20),
        bounds=BoundsInForce(2, 9, ("day",), status.render_time(NOW)),
        scaling_history=(record,) * LONGEST_HISTORY,
        last_failure=failure,
    )

    rendered = status.render_status(full)

    jsonschema.validate(rendered, closed(SCHEMA["status"]))
    assert rendered.keys() == SCHEMA["status"]["properties"].keys()


def closed(schema):
    """Return a schema that refuses what the API server would drop in silence."""
    if schema["type"] == "array":
        return schema | {"items": closed(schema["items"])}
    if "properties" not in schema:
        return schema
    fields = {name: closed(each) for name, each in schema["properties"].items()}
    return schema | {"properties": fields, "additionalProperties": False}


@pytest.mark.parametrize("type_", names.ConditionType)
def test_every_condition_is_named_in_the_definition(type_):
    assert type_ in SCHEMA["status"]["properties"]["conditions"]["description"]


def test_columns_and_scale_read_fields_that_exist():
    scale = VERSION["subresources"]["scale"]
    paths = [column["jsonPath"] for column in VERSION["additionalPrinterColumns"]]

    for path in [*paths, *scale.values()]:
        _, part, name, *_ = path.split("[")[0].split(".")
        if part != "metadata":
            assert name in SCHEMA[part]["properties"]
