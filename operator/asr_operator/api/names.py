"""Every name that is shared with users or with the cluster, spelled once.

Condition reasons are part of the interface: programs match on them.
"""

from enum import StrEnum
from typing import Final

GROUP: Final = "asr-operator.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AsrService"
PLURAL: Final = "asrservices"

FIELD_MANAGER: Final = "asr-operator"
PAUSE_ANNOTATION: Final = f"{GROUP}/pause"

# On the Deployment and the ConfigMap: the record of the operator's last change of its knob.
CHANGE_ANNOTATION: Final = f"{GROUP}/last-change"
# On server pods: the generation of the live configuration that they were told of, and when.
CONFIG_GENERATION_ANNOTATION: Final = f"{GROUP}/config-generation"
CONFIG_TOLD_ANNOTATION: Final = f"{GROUP}/config-told-at"
DELETION_COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"

NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
SERVER_APP: Final = "asr-server"


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    SPEC_VALID = "SpecValid"
    PROGRESSING = "Progressing"
    MODEL_READY = "ModelReady"
    CAPACITY_AVAILABLE = "CapacityAvailable"
    METRICS_AVAILABLE = "MetricsAvailable"
    SCALING_ACTIVE = "ScalingActive"
    SCALING_LIMITED = "ScalingLimited"
    BATCH_SIZE_APPLIED = "BatchSizeApplied"
    SLO_MET = "SloMet"


class Reason(StrEnum):
    """Why a condition is as it is."""

    # Ready
    SERVING = "Serving"
    SERVING_PREVIOUS_VERSION = "ServingPreviousVersion"
    STARTING = "Starting"
    SCALED_TO_ZERO = "ScaledToZero"

    # SpecValid
    VALID = "Valid"
    INVALID_FIELD = "InvalidField"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    REFUSED_BY_KUBERNETES = "RefusedByKubernetes"

    # Progressing
    ROLLING_OUT = "RollingOut"
    ROLLOUT_COMPLETE = "RolloutComplete"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    PAUSED = "Paused"
    SPEC_INVALID = "SpecInvalid"
    NAME_TAKEN = "NameTaken"
    CHANGE_REFUSED = "ChangeRefused"

    # ModelReady
    LOADED = "Loaded"
    LOADING = "Loading"
    NO_SERVER = "NoServer"
    MODEL_FAILED = "ModelFailed"
    SETTINGS_REFUSED = "SettingsRefused"
    OUT_OF_MEMORY = "OutOfMemory"
    SERVER_CRASHED = "ServerCrashed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_FAILED = "ContainerConfigFailed"
    CLAIM_MISSING = "ClaimMissing"
    CLAIM_NOT_BOUND = "ClaimNotBound"
    SECRET_MISSING = "SecretMissing"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"

    # CapacityAvailable
    SCHEDULED = "Scheduled"
    INSUFFICIENT_GPU = "InsufficientGpu"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POD_REFUSED = "PodRefused"

    # ScalingActive, and the records of scalingHistory
    BATCH_ROLLED_BACK = "BatchRolledBack"
    BATCH_TOO_LARGE = "BatchTooLarge"
    BATCH_TOO_SMALL = "BatchTooSmall"
    BOUNDS_SCHEDULED = "BoundsScheduled"
    CAPACITY_NEEDED = "CapacityNeeded"
    CREATED = "Created"
    GPU_ABOVE_OBJECTIVE = "GpuAboveObjective"
    LATENCY_ABOVE_OBJECTIVE = "LatencyAboveObjective"
    LOAD_FELL = "LoadFell"
    METRICS_FALLBACK = "MetricsFallback"
    METRICS_UNKNOWN = "MetricsUnknown"
    OUT_OF_BOUNDS = "OutOfBounds"
    SCALING_EXTERNAL = "ScalingExternal"
    SCALING_OFF = "ScalingOff"
    SESSIONS_NEEDED = "SessionsNeeded"
    SPEC_CHANGED = "SpecChanged"
    STABILIZING = "Stabilizing"
    STEADY = "Steady"

    # ScalingLimited
    CAPACITY_BLOCKED = "CapacityBlocked"
    MAX_REPLICAS_REACHED = "MaxReplicasReached"
    NOT_LIMITED = "NotLimited"

    # BatchSizeApplied
    BATCH_SIZE_PENDING = "BatchSizePending"
    BATCH_SIZE_REPORTED = "BatchSizeReported"

    # SloMet
    NO_FINALS = "NoFinals"
    OBJECTIVE_MET = "ObjectiveMet"
    UNATTAINABLE = "Unattainable"

    # MetricsAvailable
    SERIES_IMPLAUSIBLE = "SeriesImplausible"
    ANSWER_MALFORMED = "AnswerMalformed"
    ANSWER_PARTIAL = "AnswerPartial"
    CLOCK_SKEW = "ClockSkew"
    METRICS_FOUND = "MetricsFound"
    NOT_SAMPLED_YET = "NotSampledYet"
    PROMETHEUS_FAILED = "PrometheusFailed"
    PROMETHEUS_NOT_CONFIGURED = "PrometheusNotConfigured"
    PROMETHEUS_REFUSED = "PrometheusRefused"
    PROMETHEUS_TIMED_OUT = "PrometheusTimedOut"
    PROMETHEUS_UNREACHABLE = "PrometheusUnreachable"
    QUERY_FAILED = "QueryFailed"
    SERIES_MISSING = "SeriesMissing"
    SERIES_STALE = "SeriesStale"


def render_selector(service: str) -> dict[str, str]:
    """Return the labels that select the server pods of a service; a Deployment's never change."""
    return {NAME_LABEL: SERVER_APP, INSTANCE_LABEL: service}


def render_labels(service: str) -> dict[str, str]:
    """Return the labels of every child and server pod of a service."""
    return {
        **render_selector(service),
        COMPONENT_LABEL: "server",
        MANAGED_BY_LABEL: FIELD_MANAGER,
    }


def render_selector_text(labels: dict[str, str]) -> str:
    """Return a label selector as text, in a stable order."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def config_map_name(service: str) -> str:
    """Return the name of the ConfigMap that holds a service's live configuration."""
    return f"{service}-live"
