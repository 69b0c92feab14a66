"""The status of an AsrService as data, and the way from and to what the API server stores.

Status reports what was observed, never what is hoped for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from asr_operator.api import scaling_status
from asr_operator.api.names import ConditionType
from asr_operator.api.scaling_status import (
    BoundsInForce,
    LoadSummary,
    Recommendation,
    ScalingRecord,
)

Truth = Literal["True", "False", "Unknown"]

KNOWN_TYPES = frozenset(ConditionType)


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of a service; `last_transition_time` is when `status` last changed."""

    type: ConditionType
    status: Truth
    reason: str
    message: str
    observed_generation: int
    last_transition_time: str


@dataclass(frozen=True, slots=True)
class LastFailure:
    """The last failure seen, kept after it is over; `time` is when it was first seen."""

    reason: str
    message: str
    time: str


@dataclass(frozen=True, slots=True)
class AsrServiceStatus:
    """What the operator observed of a service; `scaling_history` is oldest first."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    replicas: int = 0
    ready_replicas: int = 0
    selector: str = ""
    url: str = ""
    desired_batch_size: int | None = None
    applied_batch_size: int | None = None
    sessions: int | None = None
    load: LoadSummary | None = None
    recommendation: Recommendation | None = None
    bounds: BoundsInForce | None = None
    scaling_history: tuple[ScalingRecord, ...] = ()
    last_failure: LastFailure | None = None

    def find(self, type_: ConditionType) -> Condition | None:
        """Return the condition of a type, or None."""
        return next((found for found in self.conditions if found.type == type_), None)


def render_time(moment: datetime) -> str:
    """Return a moment as the API server writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read a moment as the API server writes it; raise `ValueError` when it is none."""
    return datetime.fromisoformat(text)


def parse_status(body: Mapping[str, Any]) -> AsrServiceStatus:
    """Read the status of an AsrService as the API server returns it; what is absent is empty."""
    status: Mapping[str, Any] = body.get("status") or {}
    failure = status.get("lastFailure")
    batch_size = status.get("batchSize") or {}
    return AsrServiceStatus(
        observed_generation=status.get("observedGeneration", 0),
        conditions=tuple(
            Condition(
                type=ConditionType(found["type"]),
                status=found["status"],
                reason=found["reason"],
                message=found["message"],
                observed_generation=found.get("observedGeneration", 0),
                last_transition_time=found["lastTransitionTime"],
            )
            for found in status.get("conditions") or ()
            if found["type"] in KNOWN_TYPES
        ),
        replicas=status.get("replicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        selector=status.get("selector", ""),
        url=status.get("url", ""),
        desired_batch_size=batch_size.get("desired"),
        applied_batch_size=batch_size.get("applied"),
        sessions=status.get("sessions"),
        load=scaling_status.parse_load(status.get("load")),
        recommendation=scaling_status.parse_recommendation(status.get("recommendation")),
        bounds=scaling_status.parse_bounds(status.get("bounds")),
        scaling_history=tuple(
            scaling_status.parse_record(record) for record in status.get("scalingHistory") or ()
        ),
        last_failure=LastFailure(failure["reason"], failure["message"], failure["time"])
        if failure
        else None,
    )


def render_status(status: AsrServiceStatus) -> dict[str, Any]:
    """Return the status as the API server stores it."""
    rendered: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "conditions": [
            {
                "type": str(condition.type),
                "status": condition.status,
                "reason": str(condition.reason),
                "message": condition.message,
                "observedGeneration": condition.observed_generation,
                "lastTransitionTime": condition.last_transition_time,
            }
            for condition in status.conditions
        ],
        "replicas": status.replicas,
        "readyReplicas": status.ready_replicas,
        "selector": status.selector,
    }
    rendered.update(_render_scaling(status))
    if status.url:
        rendered["url"] = status.url
    if status.last_failure is not None:
        rendered["lastFailure"] = {
            "reason": str(status.last_failure.reason),
            "message": status.last_failure.message,
            "time": status.last_failure.time,
        }
    return rendered


def _render_scaling(status: AsrServiceStatus) -> dict[str, Any]:
    sizes = {"desired": status.desired_batch_size, "applied": status.applied_batch_size}
    batch_size = {name: size for name, size in sizes.items() if size is not None}
    rendered: dict[str, Any] = {"batchSize": batch_size} if batch_size else {}
    if status.sessions is not None:
        rendered["sessions"] = status.sessions
    if status.load is not None:
        rendered["load"] = scaling_status.render_load(status.load)
    if status.recommendation is not None:
        rendered["recommendation"] = scaling_status.render_recommendation(status.recommendation)
    if status.bounds is not None:
        rendered["bounds"] = scaling_status.render_bounds(status.bounds)
    if status.scaling_history:
        rendered["scalingHistory"] = [
            scaling_status.render_record(record) for record in status.scaling_history
        ]
    return rendered
