"""What `kubectl asr why` says: who decides, what is decided now, and the last changes. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.autoscaler import explain
from asr_operator.kubectl import overview, page, phrases
from asr_operator.kubectl.page import Entry
from asr_operator.kubectl.subject import Subject
from asr_operator.state.scaling import Change

# What is decided, then what it rests on and what keeps it from being better.
TOLD = {
    ConditionType.SCALING_ACTIVE: "now",
    ConditionType.METRICS_AVAILABLE: "metrics",
    ConditionType.SLO_MET: "objective",
    ConditionType.SCALING_LIMITED: "limit",
    ConditionType.BATCH_SIZE_APPLIED: "delivery",
}


def render_explanation(seen: Subject, now: datetime, width: int) -> str:
    """Return why a service has the replicas and the batch size that it has."""
    return page.render_page(f"{seen.name}: {_describe_knobs(seen)}", _list(seen, now), width)


def describe_record(record: ScalingRecord) -> str:
    """Return a change and its cause in a sentence, and the numbers that it was decided on."""
    change = Change(
        at=datetime.fromisoformat(record.time).timestamp(),
        knob=record.knob,
        from_=record.from_,
        to=record.to,
        reason=cast(Reason, record.reason),  # of a newer operator it may be one that we lack
        inputs=record.inputs,
    )
    known = f" ({phrases.render_inputs(record.inputs)})" if record.inputs else ""
    return f"{explain.describe_change(change)}{known}"


def _describe_knobs(seen: Subject) -> str:
    if not seen.is_seen:
        return overview.UNSEEN
    servers = phrases.render_count(seen.status.replicas, "replica")
    size = seen.status.desired_batch_size
    return f"{servers}, batch size {'not told yet' if size is None else size}."


def _list(seen: Subject, now: datetime) -> Iterator[Entry]:
    if not seen.is_seen:
        return
    if seen.spec is not None:
        modes = f"autoscaling {seen.spec.autoscaling.mode}, batching {seen.spec.batching.mode}."
        yield Entry("modes", modes)
    if seen.status.bounds is not None:
        yield Entry("bounds", f"{overview.describe_bounds(seen.status.bounds)}.")
    for type_, label in TOLD.items():
        condition = seen.status.find(type_)
        if condition is not None and condition.message:
            yield Entry(label, condition.message)
    yield from _list_changes(seen, now)


def _list_changes(seen: Subject, now: datetime) -> Iterator[Entry]:
    if not seen.status.scaling_history:
        yield Entry("changes", "none on record.")
    for record in reversed(seen.status.scaling_history):
        yield Entry(f"{phrases.render_age(record.time, now)} ago", describe_record(record))
