"""The definition of AsrService, tried on the real API server: every rule accepts and refuses."""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from harness import asr, cluster

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in ROOT.glob("examples/*.yaml"))
SOURCE = ROOT / "crds" / "asrservices.yaml"
SCHEMA = yaml.safe_load(SOURCE.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
KEYWORDS = {
    "required": "Required value",
    "enum": "Unsupported value",
    "minimum": "should be greater than or equal to",
    "maximum": "should be less than or equal to",
    "minItems": "should have at least",
    "maxItems": "must have at most",
    "minLength": "should be at least",
    "maxLength": "may not be more than",
    "maxProperties": "must have at most",
    "pattern": "should match",
}

WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WINDOW = {"name": "day", "from": "08:00", "to": "18:00"}

# path, keyword: a value that is accepted, a value that is refused
RULES: dict[tuple[str, str], tuple[object, object]] = {
    ("spec", "required"): ({"model": {"demo": {}}}, {}),
    ("spec.model", "rule"): ({"demo": {}}, {"demo": {}, "pvc": {"claimName": "models"}}),
    ("spec.model.hotwords", "maxItems"): (["w"] * 200, ["w"] * 201),
    ("spec.model.hotwords[0]", "minLength"): ("w", ""),
    ("spec.model.hotwords[0]", "maxLength"): ("词" * 64, "词" * 65),
    ("spec.model.hotwords[0]", "pattern"): ("hello world", " padded"),
    ("spec.model.pvc", "required"): ({"claimName": "models"}, {"path": "."}),
    ("spec.model.pvc.claimName", "minLength"): ("m", ""),
    ("spec.model.pvc.claimName", "maxLength"): ("m" * 253, "m" * 254),
    ("spec.model.pvc.claimName", "pattern"): ("models.v2", "Models"),
    ("spec.model.pvc.path", "minLength"): (".", ""),
    ("spec.model.pvc.path", "maxLength"): ("p" * 512, "p" * 513),
    ("spec.model.pvc.path", "rule"): ("zh/large", "/models"),
    ("spec.model.pvc.path", "rule 2"): ("zh/..large", "zh/../../etc"),
    ("spec.runtime.device", "enum"): ("cpu", "tpu"),
    ("spec.runtime.dtype", "enum"): ("bfloat16", "int8"),
    ("spec.runtime.gpuResourceName", "minLength"): ("a/b", "a"),
    ("spec.runtime.gpuResourceName", "maxLength"): (f"a/{'b' * 315}", f"a/{'b' * 316}"),
    ("spec.runtime.gpuResourceName", "pattern"): ("nvidia.com/mig-1g.10gb", "nvidia.com"),
    ("spec.runtime.image", "minLength"): ("a", ""),
    ("spec.runtime.image", "maxLength"): ("a" * 512, "a" * 513),
    ("spec.runtime.image", "pattern"): ("registry.example/asr:1", "registry.example/asr 1"),
    ("spec.runtime.resources.requests.cpu", "maxLength"): ("1" * 32, "1" * 33),
    ("spec.runtime.resources.requests.cpu", "pattern"): ("500m", "half"),
    ("spec.runtime.resources.requests.memory", "maxLength"): ("1" * 32, "1" * 33),
    ("spec.runtime.resources.requests.memory", "pattern"): ("1.5Gi", "-1Gi"),
    ("spec.runtime.resources.limits.cpu", "maxLength"): ("1" * 32, "1" * 33),
    ("spec.runtime.resources.limits.cpu", "pattern"): (2, "2 cores"),
    ("spec.runtime.resources.limits.memory", "maxLength"): ("1" * 32, "1" * 33),
    ("spec.runtime.resources.limits.memory", "pattern"): ("2e9", "2GB"),
    ("spec.runtime.maxSessions", "minimum"): (1, 0),
    ("spec.runtime.maxSessions", "maximum"): (100_000, 100_001),
    ("spec.objectives.finalLatency.quantile", "enum"): ("p99", "p100"),
    ("spec.objectives.finalLatency.milliseconds", "minimum"): (10, 9),
    ("spec.objectives.finalLatency.milliseconds", "maximum"): (600_000, 600_001),
    ("spec.objectives.gpuUtilization", "maxLength"): ("0.123456", "0.1234567"),
    ("spec.objectives.gpuUtilization", "pattern"): ("0.1", "0.09"),
    ("spec.batching", "rule"): (
        {"mode": "Auto", "minSize": 4, "size": 4, "maxSize": 4},
        {"mode": "Auto", "size": 65},
    ),
    ("spec.batching.mode", "enum"): ("Auto", "Off"),
    ("spec.batching.size", "minimum"): (1, 0),
    ("spec.batching.size", "maximum"): (256, 257),
    ("spec.batching.minSize", "minimum"): (1, 0),
    ("spec.batching.minSize", "maximum"): (256, 257),
    ("spec.batching.maxSize", "minimum"): (1, 0),
    ("spec.batching.maxSize", "maximum"): (256, 257),
    ("spec.batching.audioSeconds", "minimum"): (1, 0),
    ("spec.batching.audioSeconds", "maximum"): (36_000, 36_001),
    ("spec.batching.maxWaitMilliseconds", "minimum"): (0, -1),
    ("spec.batching.maxWaitMilliseconds", "maximum"): (10_000, 10_001),
    ("spec.shedding.lateMilliseconds", "minimum"): (0, -1),
    ("spec.shedding.lateMilliseconds", "maximum"): (60_000, 60_001),
    ("spec.shedding.partialIntervalMilliseconds", "minimum"): (0, -1),
    ("spec.shedding.partialIntervalMilliseconds", "maximum"): (60_000, 60_001),
    ("spec.autoscaling", "rule"): ({"minReplicas": 10}, {"minReplicas": 11}),
    ("spec.autoscaling", "rule 2"): (
        {"minReplicas": 2, "schedules": [{**WINDOW, "minReplicas": 10}]},
        {"minReplicas": 2, "schedules": [{**WINDOW, "maxReplicas": 1}]},
    ),
    ("spec.autoscaling.mode", "enum"): ("External", "On"),
    ("spec.autoscaling.schedules", "maxItems"): (
        [{**WINDOW, "minReplicas": 2, "name": f"w{number}"} for number in range(20)],
        [{**WINDOW, "minReplicas": 2, "name": f"w{number}"} for number in range(21)],
    ),
    ("spec.autoscaling.schedules[0]", "required"): (
        {**WINDOW, "minReplicas": 2},
        {"name": "day", "from": "08:00", "minReplicas": 2},
    ),
    ("spec.autoscaling.schedules[0]", "rule"): ({**WINDOW, "maxReplicas": 2}, WINDOW),
    ("spec.autoscaling.schedules[0].name", "minLength"): ("d", ""),
    ("spec.autoscaling.schedules[0].name", "maxLength"): ("d" * 63, "d" * 64),
    ("spec.autoscaling.schedules[0].name", "pattern"): ("office-hours", "Office hours"),
    ("spec.autoscaling.schedules[0].timeZone", "minLength"): ("GB", "G"),
    ("spec.autoscaling.schedules[0].timeZone", "maxLength"): ("Europe/Berlin", "A" * 65),
    ("spec.autoscaling.schedules[0].timeZone", "pattern"): ("Etc/GMT+12", "+02:00"),
    ("spec.autoscaling.schedules[0].timeZone", "rule"): ("Asia/Shanghai", "Mars/Olympus"),
    ("spec.autoscaling.schedules[0].days", "minItems"): (["Sun"], []),
    ("spec.autoscaling.schedules[0].days", "maxItems"): (WEEK, [*WEEK, "Mon"]),
    ("spec.autoscaling.schedules[0].days[0]", "enum"): ("Wed", "Wednesday"),
    ("spec.autoscaling.schedules[0].from", "maxLength"): ("23:59", "23:590"),
    ("spec.autoscaling.schedules[0].from", "pattern"): ("00:00", "24:00"),
    ("spec.autoscaling.schedules[0].to", "maxLength"): ("23:59", "23:590"),
    ("spec.autoscaling.schedules[0].to", "pattern"): ("08:30", "8:30"),
    ("spec.autoscaling.schedules[0].minReplicas", "minimum"): (1, 0),
    ("spec.autoscaling.schedules[0].minReplicas", "maximum"): (1000, 1001),
    ("spec.autoscaling.schedules[0].maxReplicas", "minimum"): (1, 0),
    ("spec.autoscaling.schedules[0].maxReplicas", "maximum"): (1000, 1001),
    ("spec.autoscaling.minReplicas", "minimum"): (1, 0),
    ("spec.autoscaling.minReplicas", "maximum"): (1000, 1001),
    ("spec.autoscaling.maxReplicas", "minimum"): (1, 0),
    ("spec.autoscaling.maxReplicas", "maximum"): (1000, 1001),
    ("spec.autoscaling.behavior.intervalSeconds", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.intervalSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.staleSeconds", "minimum"): (2, 1),
    ("spec.autoscaling.behavior.staleSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.demand.windowSeconds", "minimum"): (2, 1),
    ("spec.autoscaling.behavior.demand.windowSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.demand.peakSeconds", "minimum"): (2, 1),
    ("spec.autoscaling.behavior.demand.peakSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.scaleUp.stabilizationWindowSeconds", "minimum"): (0, -1),
    ("spec.autoscaling.behavior.scaleUp.stabilizationWindowSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.scaleUp.maxPercent", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.scaleUp.maxPercent", "maximum"): (1000, 1001),
    ("spec.autoscaling.behavior.scaleUp.maxPods", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.scaleUp.maxPods", "maximum"): (1000, 1001),
    ("spec.autoscaling.behavior.scaleUp.periodSeconds", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.scaleUp.periodSeconds", "maximum"): (1800, 1801),
    ("spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds", "minimum"): (0, -1),
    ("spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.scaleDown.maxPercent", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.scaleDown.maxPercent", "maximum"): (100, 101),
    ("spec.autoscaling.behavior.scaleDown.periodSeconds", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.scaleDown.periodSeconds", "maximum"): (1800, 1801),
    ("spec.autoscaling.behavior.batch.intervalSeconds", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.batch.intervalSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.batch.minSamples", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.batch.minSamples", "maximum"): (1_000_000, 1_000_001),
    ("spec.autoscaling.behavior.batch.settleSeconds", "minimum"): (0, -1),
    ("spec.autoscaling.behavior.batch.settleSeconds", "maximum"): (3600, 3601),
    ("spec.autoscaling.behavior.fallback.afterSeconds", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.fallback.afterSeconds", "maximum"): (86_400, 86_401),
    ("spec.autoscaling.behavior.fallback.replicas", "minimum"): (1, 0),
    ("spec.autoscaling.behavior.fallback.replicas", "maximum"): (1000, 1001),
    ("spec.replicas", "minimum"): (0, -1),
    ("spec.replicas", "maximum"): (1000, 1001),
    ("spec.service.type", "enum"): ("LoadBalancer", "ExternalName"),
    ("spec.service.port", "minimum"): (1, 0),
    ("spec.service.port", "maximum"): (65_535, 65_536),
    ("spec.service.tls", "required"): ({"secretName": "speech-tls"}, {}),
    ("spec.service.tls.secretName", "minLength"): ("s", ""),
    ("spec.service.tls.secretName", "maxLength"): ("s" * 253, "s" * 254),
    ("spec.service.tls.secretName", "pattern"): ("speech.tls", "Speech_TLS"),
    ("spec.service.auth", "required"): ({"secretName": "speech-tokens"}, {"key": "tokens"}),
    ("spec.service.auth.secretName", "minLength"): ("s", ""),
    ("spec.service.auth.secretName", "maxLength"): ("s" * 253, "s" * 254),
    ("spec.service.auth.secretName", "pattern"): ("speech.tokens", "speech/tokens"),
    ("spec.service.auth.key", "minLength"): ("k", ""),
    ("spec.service.auth.key", "maxLength"): ("k" * 253, "k" * 254),
    ("spec.service.auth.key", "pattern"): ("tokens.TXT", "../tokens"),
    ("spec.lifecycle", "rule"): (
        {"maxSurge": 0, "maxUnavailable": 1},
        {"maxSurge": 0, "maxUnavailable": 0},
    ),
    ("spec.lifecycle.drainTimeoutSeconds", "minimum"): (0, -1),
    ("spec.lifecycle.drainTimeoutSeconds", "maximum"): (86_400, 86_401),
    ("spec.lifecycle.maxSurge", "minimum"): (1, -1),
    ("spec.lifecycle.maxSurge", "maximum"): (1000, 1001),
    ("spec.lifecycle.maxUnavailable", "minimum"): (0, -1),
    ("spec.lifecycle.maxUnavailable", "maximum"): (1000, 1001),
    ("spec.lifecycle.progressDeadlineSeconds", "minimum"): (10, 9),
    ("spec.lifecycle.progressDeadlineSeconds", "maximum"): (86_400, 86_401),
    ("spec.placement.nodeSelector", "maxProperties"): (
        {f"label-{number}": "" for number in range(20)},
        {f"label-{number}": "" for number in range(21)},
    ),
    ("spec.placement.nodeSelector.pool", "maxLength"): ("a" * 63, "a" * 64),
}
DEFAULTS = {
    "model": {"demo": {}},
    "runtime": {
        "device": "cuda",
        "dtype": "float32",
        "gpuResourceName": "nvidia.com/gpu",
        "resources": {"requests": {}, "limits": {}},
        "maxSessions": 200,
    },
    "objectives": {
        "finalLatency": {"quantile": "p95", "milliseconds": 500},
        "gpuUtilization": "0.7",
    },
    "batching": {
        "mode": "Fixed",
        "size": 16,
        "minSize": 1,
        "maxSize": 64,
        "audioSeconds": 120,
        "maxWaitMilliseconds": 20,
    },
    "shedding": {"lateMilliseconds": 100, "partialIntervalMilliseconds": 2400},
    "autoscaling": {
        "mode": "Off",
        "minReplicas": 1,
        "maxReplicas": 10,
        "behavior": {
            "intervalSeconds": 15,
            "staleSeconds": 90,
            "demand": {"windowSeconds": 60, "peakSeconds": 120},
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "maxPercent": 100,
                "maxPods": 4,
                "periodSeconds": 15,
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 300,
                "maxPercent": 25,
                "periodSeconds": 60,
            },
            "batch": {"intervalSeconds": 60, "minSamples": 200, "settleSeconds": 60},
            "fallback": {"afterSeconds": 300},
        },
    },
    "replicas": 1,
    "service": {"type": "ClusterIP", "port": 10095},
    "lifecycle": {
        "drainTimeoutSeconds": 600,
        "maxSurge": 1,
        "maxUnavailable": 0,
        "progressDeadlineSeconds": 600,
    },
    "placement": {"nodeSelector": {}},
}


@pytest.fixture(scope="module")
def create(operator, kubernetes):
    """Create an AsrService as a dry run; return what the API server made of it."""

    def run(spec, name="speech"):
        body = asr.manifest(name) | {"spec": spec}
        path = kubernetes.namespace("default").path("AsrService")
        return kubernetes.request("POST", path, body, dryRun="All", fieldValidation="Strict")

    return run


def spec_with(path, value):
    """Return the smallest spec that holds this value at this path."""
    spec = {
        "spec": {} if path.startswith("spec.model") or path == "spec" else {"model": {"demo": {}}}
    }
    place = spec
    parts = path.replace("[0]", ".0").split(".")
    for name, following in itertools.pairwise(parts):
        place = enter(place, name, [] if following == "0" else {})
    last = parts[-1]
    if isinstance(place, dict):
        place.pop(last, None)
    enter(place, last, value)
    if path.startswith("spec.autoscaling.schedules[0]."):
        window = spec["spec"]["autoscaling"]["schedules"][0]
        bound = window if "Replicas" in last else {"minReplicas": 2}
        window |= {**WINDOW, **bound, **window}
        spec["spec"]["autoscaling"]["maxReplicas"] = 1000
    if path.startswith("spec.model.hotwords"):
        spec["spec"]["model"]["demo"] = {}
    if path.startswith("spec.model.pvc."):
        place.setdefault("claimName", "models")
    if path.startswith(("spec.service.tls.", "spec.service.auth.")):
        place.setdefault("secretName", "speech")
    if path == "spec.autoscaling.minReplicas":
        place["maxReplicas"] = 1000
    return spec["spec"]


def enter(place, name, value):
    """Return what a mapping or a list has under a name or a number; put the value there if none."""
    if isinstance(place, dict):
        return place.setdefault(name, value)
    place.append(value)
    return place[int(name)]


def rules_in(schema, path):
    """List path and keyword of every rule of a schema."""
    for number, _ in enumerate(schema.get("x-kubernetes-validations", []), start=1):
        yield path, "rule" if number == 1 else f"rule {number}"
    for keyword in schema.keys() & KEYWORDS.keys():
        yield path, keyword
    for name, each in schema.get("properties", {}).items():
        yield from rules_in(each, f"{path}.{name}")
    if "additionalProperties" in schema:
        yield from rules_in(schema["additionalProperties"], f"{path}.pool")
    if "items" in schema:
        yield from rules_in(schema["items"], f"{path}[0]")


def fields_in(schema, path):
    """List the path of every field of a schema, and its schema."""
    for name, each in schema.get("properties", {}).items():
        yield f"{path}.{name}", each
        yield from fields_in(each, f"{path}.{name}")
    if "items" in schema:
        yield f"{path}[0]", schema["items"]
        yield from fields_in(schema["items"], f"{path}[0]")


def test_every_rule_has_an_accepted_and_a_refused_manifest():
    assert set(rules_in(SCHEMA["properties"]["spec"], "spec")) == RULES.keys()


@pytest.mark.parametrize(("path", "keyword"), RULES)
def test_rule_accepts_and_refuses_and_names_the_field(create, path, keyword):
    accepted, refused = RULES[path, keyword]

    create(spec_with(path, accepted))
    with pytest.raises(cluster.RefusedError) as refusal:
        create(spec_with(path, refused))

    assert refusal.value.code == 422
    assert path in str(refusal.value)
    assert KEYWORDS.get(keyword, "") in str(refusal.value)


@pytest.mark.parametrize(
    ("accepted", "refused"), [("s" * 40, "s" * 41), ("speech-2", "2-speech"), ("s", "my.speech")]
)
def test_name_that_children_cannot_bear_is_refused(create, accepted, refused):
    create(DEFAULTS, accepted)
    with pytest.raises(cluster.RefusedError, match=r"metadata\.name must"):
        create(DEFAULTS, refused)


@pytest.mark.parametrize(
    "path",
    [path for path, each in fields_in(SCHEMA["properties"]["spec"], "spec") if "type" in each],
)
def test_value_of_the_wrong_type_is_refused(create, path):
    schema = dict(fields_in(SCHEMA["properties"]["spec"], "spec"))[path]
    wrong = 1 if schema["type"] == "string" else "a string"

    with pytest.raises(cluster.RefusedError, match=re.escape(path)):
        create(spec_with(path, wrong))


def test_unknown_field_is_refused(create):
    with pytest.raises(cluster.RefusedError, match=r'unknown field "spec\.runtime\.gpus"'):
        create(spec_with("spec.runtime.gpus", 2))


def test_defaults_are_filled_in(create):
    assert create({"model": {"demo": {}}})["spec"] == DEFAULTS


def test_path_of_a_claim_is_its_root_unless_said(create):
    model = create({"model": {"pvc": {"claimName": "models"}}})["spec"]["model"]

    assert model == {"pvc": {"claimName": "models", "path": "."}}


def test_tokens_are_under_a_key_of_that_name_unless_said(create):
    spec = create({"model": {"demo": {}}, "service": {"auth": {"secretName": "speech"}}})["spec"]

    assert spec["service"]["auth"] == {"secretName": "speech", "key": "tokens"}


def test_every_field_explains_itself(kubernetes, operator):
    schemas = kubernetes.request("GET", "openapi/v3/apis/asr-operator.dev/v1alpha1")["components"]
    served = schemas["schemas"]["dev.asr-operator.v1alpha1.AsrService"]

    silent = [
        path
        for part in ("spec", "status")
        for path, each in fields_in(served["properties"][part], part)
        if len(each.get("description", "")) < 12
    ]
    assert silent == []
    assert "Utterances in one batch at most" in kubernetes.kubectl(
        "explain", "asr.spec.batching.size"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_accepted(create, name):
    example = yaml.safe_load((ROOT / "examples" / name).read_text())

    create(example["spec"], example["metadata"]["name"])


def test_manifest_in_the_notes_of_the_chart_is_accepted(create, operator):
    example = yaml.safe_load(operator.notes().split("<<EOF")[1].split("EOF")[0])

    create(example["spec"], example["metadata"]["name"])


def test_listing_shows_what_matters(namespace):
    service = asr.Service(namespace, "listed")
    service.apply({"replicas": 0})
    service.wait_condition("Ready", "False", "ScaledToZero")

    table = namespace.kubectl("get", "asr", "-o", "wide").splitlines()

    assert table[0].split() == [
        "NAME", "READY", "REPLICAS", "SERVING", "BATCH", "SESSIONS", "P95", "REASON", "URL",
        "MESSAGE", "AGE",
    ]  # fmt: skip
    assert table[1].split()[:6] == ["listed", "False", "0", "0", "16", "ScaledToZero"]
    assert f"ws://listed.{namespace.name}.svc" in table[1]
    assert "asrservice.asr-operator.dev/listed" in namespace.kubectl("get", "all", "-o", "name")
