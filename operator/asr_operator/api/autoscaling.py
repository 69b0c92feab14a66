"""What a service asks of its autoscaler, as data: objectives, batching, bounds and windows.

Defaults are those of the resource. Cross-field rules are checked here too, for objects that were
stored before the API server knew them.
"""

from dataclasses import dataclass
from typing import Literal, cast

from asr_operator.api import schedules
from asr_operator.api.fields import FieldError, Section
from asr_operator.api.schedules import Bounds, Schedule

BatchMode = Literal["Fixed", "Auto"]
ScalingMode = Literal["Off", "Auto", "Recommend", "External"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Objectives:
    """What the service is to hold; `quantile` is that of the latency, such as p95."""

    quantile: str = "p95"
    final_latency_ms: int = 500
    gpu_utilization_ratio: float = 0.7

    @property
    def final_latency_s(self) -> float:
        """The latency that the quantile must not exceed."""
        return self.final_latency_ms / 1000

    @property
    def quantile_ratio(self) -> float:
        """The quantile as a number in (0, 1)."""
        return QUANTILES[self.quantile]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Bounds of one batch; in mode Auto `size` is only where tuning starts."""

    mode: BatchMode = "Fixed"
    size: int = 16
    min_size: int = 1
    max_size: int = 64
    audio_s: int = 120
    max_wait_ms: int = 20


@dataclass(frozen=True, slots=True)
class DemandWindows:
    """Over how long demand is a rate, and over how long the highest rate counts."""

    window_s: int = 60
    peak_s: int = 120


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """How fast replicas are added: per period the larger of a number and a percentage."""

    stabilization_s: int = 0
    max_percent: int = 100
    max_pods: int = 4
    period_s: int = 15


@dataclass(frozen=True, slots=True)
class ScaleDown:
    """How fast replicas are removed: per period a percentage, and one in any case."""

    stabilization_s: int = 300
    max_percent: int = 25
    period_s: int = 60


@dataclass(frozen=True, slots=True)
class BatchTuning:
    """How often the batch size may move, after how many finals, and how long until it shows."""

    interval_s: int = 60
    min_samples: int = 200
    settle_s: int = 60


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to do while nothing is known; None: stay."""

    after_s: int = 300
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Behavior:
    """Every window of the autoscaler; samples older than `stale_s` are unknown."""

    interval_s: int = 15
    stale_s: int = 90
    demand: DemandWindows = DemandWindows()
    scale_up: ScaleUp = ScaleUp()
    scale_down: ScaleDown = ScaleDown()
    batch: BatchTuning = BatchTuning()
    fallback: Fallback = Fallback()


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Who decides the number of replicas, and within which bounds."""

    mode: ScalingMode = "Off"
    min_replicas: int = 1
    max_replicas: int = 10
    behavior: Behavior = Behavior()
    schedules: tuple[Schedule, ...] = ()


@dataclass(frozen=True, slots=True)
class ScalingSpec:
    """All of the spec that the autoscaler reads.

    `bounds` are those that schedules put in place of the ones of `autoscaling`, None before that
    was looked at, and where there are no schedules.
    """

    objectives: Objectives = Objectives()
    batching: BatchPolicy = BatchPolicy()
    autoscaling: Autoscaling = Autoscaling()
    bounds: Bounds | None = None


def parse_objectives(objectives: Section) -> Objectives:
    """Read spec.objectives; raise `FieldError` for a field that cannot be used."""
    default = Objectives()
    latency = objectives.section("finalLatency")
    milliseconds = latency.integer("milliseconds", default.final_latency_ms)
    if milliseconds == 0:
        raise FieldError(f"{latency.path}.milliseconds must be at least 1")
    return Objectives(
        quantile=latency.choice("quantile", QUANTILES, default.quantile),
        final_latency_ms=milliseconds,
        gpu_utilization_ratio=_parse_ratio(
            objectives, "gpuUtilization", default.gpu_utilization_ratio
        ),
    )


def parse_batch_policy(batching: Section) -> BatchPolicy:
    """Read spec.batching; raise `FieldError` for a field that cannot be used."""
    default = BatchPolicy()
    policy = BatchPolicy(
        mode=cast(BatchMode, batching.choice("mode", ("Fixed", "Auto"), default.mode)),
        size=batching.integer("size", default.size),
        min_size=batching.integer("minSize", default.min_size),
        max_size=batching.integer("maxSize", default.max_size),
        audio_s=batching.integer("audioSeconds", default.audio_s),
        max_wait_ms=batching.integer("maxWaitMilliseconds", default.max_wait_ms),
    )
    if policy.mode == "Auto" and not 1 <= policy.min_size <= policy.size <= policy.max_size:
        raise FieldError(f"{batching.path}: in mode Auto, minSize <= size <= maxSize must hold")
    return policy


def parse_autoscaling(autoscaling: Section) -> Autoscaling:
    """Read spec.autoscaling; raise `FieldError` for a field that cannot be used."""
    default = Autoscaling()
    modes = ("Off", "Auto", "Recommend", "External")
    least = autoscaling.integer("minReplicas", default.min_replicas)
    most = autoscaling.integer("maxReplicas", default.max_replicas)
    if not 1 <= least <= most:
        raise FieldError(f"{autoscaling.path}: 1 <= minReplicas <= maxReplicas must hold")
    return Autoscaling(
        mode=cast(ScalingMode, autoscaling.choice("mode", modes, default.mode)),
        min_replicas=least,
        max_replicas=most,
        behavior=_parse_behavior(autoscaling.section("behavior")),
        schedules=schedules.parse_schedules(autoscaling.sections("schedules"), least, most),
    )


def _parse_behavior(behavior: Section) -> Behavior:
    default = Behavior()
    demand, fallback = behavior.section("demand"), behavior.section("fallback")
    return Behavior(
        interval_s=behavior.integer("intervalSeconds", default.interval_s),
        stale_s=behavior.integer("staleSeconds", default.stale_s),
        demand=DemandWindows(
            window_s=demand.integer("windowSeconds", default.demand.window_s),
            peak_s=demand.integer("peakSeconds", default.demand.peak_s),
        ),
        scale_up=_parse_scale_up(behavior.section("scaleUp")),
        scale_down=_parse_scale_down(behavior.section("scaleDown")),
        batch=_parse_batch_tuning(behavior.section("batch")),
        fallback=Fallback(
            after_s=fallback.integer("afterSeconds", default.fallback.after_s),
            replicas=fallback.integer("replicas", 0) if fallback.has("replicas") else None,
        ),
    )


def _parse_scale_up(scale_up: Section) -> ScaleUp:
    default = ScaleUp()
    return ScaleUp(
        stabilization_s=scale_up.integer("stabilizationWindowSeconds", default.stabilization_s),
        max_percent=scale_up.integer("maxPercent", default.max_percent),
        max_pods=scale_up.integer("maxPods", default.max_pods),
        period_s=scale_up.integer("periodSeconds", default.period_s),
    )


def _parse_scale_down(scale_down: Section) -> ScaleDown:
    default = ScaleDown()
    return ScaleDown(
        stabilization_s=scale_down.integer("stabilizationWindowSeconds", default.stabilization_s),
        max_percent=scale_down.integer("maxPercent", default.max_percent),
        period_s=scale_down.integer("periodSeconds", default.period_s),
    )


def _parse_batch_tuning(batch: Section) -> BatchTuning:
    default = BatchTuning()
    return BatchTuning(
        interval_s=batch.integer("intervalSeconds", default.interval_s),
        min_samples=batch.integer("minSamples", default.min_samples),
        settle_s=batch.integer("settleSeconds", default.settle_s),
    )


def _parse_ratio(section: Section, key: str, default: float) -> float:
    text = section.text(key, str(default))
    try:
        ratio = float(text)
    except ValueError:
        ratio = 0.0
    if not 0 < ratio <= 1:
        raise FieldError(
            f'{section.path}.{key} must be a decimal above 0, at most 1, such as "0.7"'
        )
    return ratio
