"""An AsrService as data: who it is and what it asks for. Mirrors crds/asrservices.yaml.

The API server applies the defaults of the definition; the same ones here serve objects that were
stored before a field existed. No Kubernetes client and no decision belongs here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr_operator.api import autoscaling, names
from asr_operator.api.autoscaling import Autoscaling, BatchPolicy, Objectives, ScalingSpec
from asr_operator.api.fields import FieldError, Section


@dataclass(frozen=True, slots=True)
class DemoModel:
    """The demonstration model inside the server image."""


@dataclass(frozen=True, slots=True)
class ClaimModel:
    """A model folder on a PersistentVolumeClaim; `path` is relative to the claim's root."""

    claim_name: str
    path: str = "."


@dataclass(frozen=True, slots=True)
class ComputeAmounts:
    """CPU and memory as Kubernetes quantities."""

    cpu: str | None = None
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """How each server runs."""

    device: str = "cuda"
    dtype: str = "float32"
    gpu_resource_name: str = "nvidia.com/gpu"
    image: str | None = None
    requests: ComputeAmounts = ComputeAmounts()
    limits: ComputeAmounts = ComputeAmounts()
    max_sessions: int = 200


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key of a Secret of the same namespace."""

    secret_name: str
    key: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """The Service that clients connect to, and what they must bring.

    `tls_secret` names a Secret of type kubernetes.io/tls, `tokens` where a list of tokens is.
    """

    type: str = "ClusterIP"
    port: int = 10095
    tls_secret: str | None = None
    tokens: SecretKey | None = None


@dataclass(frozen=True, slots=True)
class Shedding:
    """When a server that is late with live speech leaves something undone; 0: never."""

    late_ms: int = 100
    partial_interval_ms: int = 2400


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How servers are replaced and stopped."""

    drain_timeout_s: int = 600
    max_surge: int = 1
    max_unavailable: int = 0
    progress_deadline_s: int = 600


@dataclass(frozen=True, slots=True)
class AsrServiceSpec:
    """The fleet that is asked for."""

    model: DemoModel | ClaimModel
    runtime: Runtime = Runtime()
    objectives: Objectives = Objectives()
    batching: BatchPolicy = BatchPolicy()
    autoscaling: Autoscaling = Autoscaling()
    replicas: int = 1
    exposure: Exposure = Exposure()
    lifecycle: Lifecycle = Lifecycle()
    node_selector: tuple[tuple[str, str], ...] = ()
    hotwords: tuple[str, ...] = ()
    shedding: Shedding = Shedding()

    @property
    def scaling(self) -> ScalingSpec:
        """What the autoscaler reads of it."""
        return ScalingSpec(self.objectives, self.batching, self.autoscaling)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which AsrService it is."""

    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class InvalidSpec:
    """A spec that cannot be used; the message names the field."""

    message: str


@dataclass(frozen=True, slots=True)
class AsrService:
    """An AsrService as it is stored."""

    identity: Identity
    generation: int
    paused: bool
    deleting: bool
    spec: AsrServiceSpec | InvalidSpec


def parse_service(body: Mapping[str, Any]) -> AsrService:
    """Read an AsrService as the API server returns it; a bad spec becomes an `InvalidSpec`."""
    metadata = body["metadata"]
    spec: AsrServiceSpec | InvalidSpec
    try:
        spec = parse_spec(body)
    except FieldError as error:
        spec = InvalidSpec(str(error))
    annotations = metadata.get("annotations") or {}
    return AsrService(
        identity=Identity(metadata["name"], metadata["namespace"], metadata["uid"]),
        generation=metadata.get("generation", 0),
        paused=annotations.get(names.PAUSE_ANNOTATION) == "true",
        deleting="deletionTimestamp" in metadata,
        spec=spec,
    )


def parse_spec(body: Mapping[str, Any]) -> AsrServiceSpec:
    """Read the spec of an AsrService; raise `FieldError` for a field that cannot be used."""
    spec = Section("spec", body.get("spec") or {})
    return AsrServiceSpec(
        model=_parse_model(spec.section("model")),
        runtime=_parse_runtime(spec.section("runtime")),
        objectives=autoscaling.parse_objectives(spec.section("objectives")),
        batching=autoscaling.parse_batch_policy(spec.section("batching")),
        autoscaling=autoscaling.parse_autoscaling(spec.section("autoscaling")),
        replicas=spec.integer("replicas", 1),
        exposure=_parse_exposure(spec.section("service")),
        lifecycle=_parse_lifecycle(spec.section("lifecycle")),
        node_selector=_parse_node_selector(spec.section("placement")),
        hotwords=spec.section("model").texts("hotwords"),
        shedding=_parse_shedding(spec.section("shedding")),
    )


def _parse_model(model: Section) -> DemoModel | ClaimModel:
    if model.has("demo") == model.has("pvc"):
        raise FieldError(f"{model.path}: set exactly one of demo and pvc")
    if model.has("demo"):
        return DemoModel()
    claim = model.section("pvc")
    path = claim.text("path", ".")
    if path.startswith("/") or ".." in path.split("/"):
        raise FieldError(f"{claim.path}.path must be relative and without '..'")
    return ClaimModel(claim.text("claimName"), path)


def _parse_runtime(runtime: Section) -> Runtime:
    default = Runtime()
    resources = runtime.section("resources")
    return Runtime(
        device=runtime.choice("device", ("cuda", "cpu"), default.device),
        dtype=runtime.choice("dtype", ("float32", "float16", "bfloat16"), default.dtype),
        gpu_resource_name=runtime.text("gpuResourceName", default.gpu_resource_name),
        image=runtime.text("image") if runtime.has("image") else None,
        requests=_parse_amounts(resources.section("requests")),
        limits=_parse_amounts(resources.section("limits")),
        max_sessions=runtime.integer("maxSessions", default.max_sessions),
    )


def _parse_amounts(amounts: Section) -> ComputeAmounts:
    return ComputeAmounts(cpu=amounts.quantity("cpu"), memory=amounts.quantity("memory"))


def _parse_shedding(shedding: Section) -> Shedding:
    default = Shedding()
    return Shedding(
        late_ms=shedding.integer("lateMilliseconds", default.late_ms),
        partial_interval_ms=shedding.integer(
            "partialIntervalMilliseconds", default.partial_interval_ms
        ),
    )


def _parse_exposure(exposure: Section) -> Exposure:
    default = Exposure()
    auth = exposure.section("auth")
    return Exposure(
        type=exposure.choice("type", ("ClusterIP", "NodePort", "LoadBalancer"), default.type),
        port=exposure.integer("port", default.port),
        tls_secret=exposure.section("tls").text("secretName") if exposure.has("tls") else None,
        tokens=SecretKey(auth.text("secretName"), auth.text("key", "tokens"))
        if exposure.has("auth")
        else None,
    )


def _parse_lifecycle(lifecycle: Section) -> Lifecycle:
    default = Lifecycle()
    return Lifecycle(
        drain_timeout_s=lifecycle.integer("drainTimeoutSeconds", default.drain_timeout_s),
        max_surge=lifecycle.integer("maxSurge", default.max_surge),
        max_unavailable=lifecycle.integer("maxUnavailable", default.max_unavailable),
        progress_deadline_s=lifecycle.integer(
            "progressDeadlineSeconds", default.progress_deadline_s
        ),
    )


def _parse_node_selector(placement: Section) -> tuple[tuple[str, str], ...]:
    selector = placement.section("nodeSelector")
    for key, value in selector.values.items():
        if not isinstance(value, str):
            raise FieldError(f"{selector.path}.{key} must be a string")
    return tuple(sorted(selector.values.items()))
