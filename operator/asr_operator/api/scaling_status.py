"""The part of the status that the autoscaler fills, as data: load, recommendation, history.

As in the rest of the status, times are text as the API server writes it. What is not known is
absent; it is never 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Knob = Literal["replicas", "batchSize"]

LONGEST_HISTORY: Final = 10


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """The load at `time`; shares and rates are decimal numbers as text."""

    time: str
    final_latency_ms: int | None = None
    queue_wait_ms: int | None = None
    demand: str | None = None
    refused_per_s: str | None = None
    engine_duty: str | None = None
    gpu_utilization: str | None = None
    gpu_signal: str | None = None
    gpus_shared: bool | None = None


# The fields of `LoadSummary` by their names in the resource.
LOAD_FIELDS: Final = {
    "time": "time",
    "finalLatencyMilliseconds": "final_latency_ms",
    "queueWaitMilliseconds": "queue_wait_ms",
    "demand": "demand",
    "refusedPerSecond": "refused_per_s",
    "engineDuty": "engine_duty",
    "gpuUtilization": "gpu_utilization",
    "gpuSignal": "gpu_signal",
    "gpusShared": "gpus_shared",
}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What mode Auto would choose; the batch size only where it would be tuned."""

    replicas: int
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class BoundsInForce:
    """Between what replicas are chosen where there are schedules; `schedules` are in force.

    `until` is when one begins or ends next.
    """

    min_replicas: int
    max_replicas: int
    schedules: tuple[str, ...] = ()
    until: str | None = None


@dataclass(frozen=True, slots=True)
class ScalingRecord:
    """One change of a knob, which is one write of the Deployment or of the ConfigMap.

    The write carries the record in an annotation, so that neither is ever without the other.
    """

    time: str
    knob: Knob
    from_: int
    to: int
    reason: str
    inputs: tuple[tuple[str, str], ...] = ()


def parse_load(load: Mapping[str, Any] | None) -> LoadSummary | None:
    """Read status.load."""
    if not load or "time" not in load:
        return None
    fields: dict[str, Any] = {field: load.get(name) for name, field in LOAD_FIELDS.items()}
    return LoadSummary(**fields)


def render_load(load: LoadSummary) -> dict[str, Any]:
    """Return status.load; what is not known is left out."""
    rendered = {name: getattr(load, field) for name, field in LOAD_FIELDS.items()}
    return {name: value for name, value in rendered.items() if value is not None}


def parse_recommendation(recommendation: Mapping[str, Any] | None) -> Recommendation | None:
    """Read status.recommendation."""
    if not recommendation or "replicas" not in recommendation:
        return None
    return Recommendation(recommendation["replicas"], recommendation.get("batchSize"))


def render_recommendation(recommendation: Recommendation) -> dict[str, int]:
    """Return status.recommendation."""
    batch_size = recommendation.batch_size
    return {
        "replicas": recommendation.replicas,
        **({"batchSize": batch_size} if batch_size is not None else {}),
    }


def parse_bounds(bounds: Mapping[str, Any] | None) -> BoundsInForce | None:
    """Read status.bounds."""
    if not bounds or "minReplicas" not in bounds or "maxReplicas" not in bounds:
        return None
    return BoundsInForce(
        bounds["minReplicas"],
        bounds["maxReplicas"],
        tuple(bounds.get("schedules") or ()),
        bounds.get("until"),
    )


def render_bounds(bounds: BoundsInForce) -> dict[str, Any]:
    """Return status.bounds."""
    return {
        "minReplicas": bounds.min_replicas,
        "maxReplicas": bounds.max_replicas,
        "schedules": list(bounds.schedules),
        **({"until": bounds.until} if bounds.until else {}),
    }


def parse_record(record: Mapping[str, Any]) -> ScalingRecord:
    """Read one entry of status.scalingHistory; raise `KeyError` when a field is missing."""
    return ScalingRecord(
        time=record["time"],
        knob=record["knob"],
        from_=record["from"],
        to=record["to"],
        reason=record["reason"],
        inputs=tuple(sorted((record.get("inputs") or {}).items())),
    )


def render_record(record: ScalingRecord) -> dict[str, Any]:
    """Return one entry of status.scalingHistory."""
    return {
        "time": record.time,
        "knob": record.knob,
        "from": record.from_,
        "to": record.to,
        "reason": str(record.reason),
        **({"inputs": dict(record.inputs)} if record.inputs else {}),
    }


def parse_record_text(text: str | None) -> ScalingRecord | None:
    """Read the record in an annotation; None when there is none, or none that can be read."""
    try:
        record = parse_record(json.loads(text or "null"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return record if type(record.to) is int and type(record.from_) is int else None


def render_record_text(record: ScalingRecord) -> str:
    """Return a record as the text of an annotation."""
    return json.dumps(render_record(record), sort_keys=True)
