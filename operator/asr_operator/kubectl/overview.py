"""What `kubectl asr status` says of a service: how it is, its load, its knobs, what to do. Pure."""

from collections.abc import Iterator
from datetime import datetime

from asr_operator.api.names import ConditionType
from asr_operator.api.scaling_status import BoundsInForce, Knob, LoadSummary
from asr_operator.api.spec import AsrServiceSpec, InvalidSpec
from asr_operator.api.status import AsrServiceStatus
from asr_operator.kubectl import page, phrases, subject
from asr_operator.kubectl.page import Entry
from asr_operator.kubectl.subject import Subject

UNSEEN = (
    "No operator has looked at it yet. See whether one runs and serves this namespace:"
    " kubectl get pods -A -l app.kubernetes.io/name=asr-operator"
)


def render_overview(seen: Subject, now: datetime, width: int) -> str:
    """Return how a service is."""
    return page.render_page(f"{seen.name}: {describe_state(seen)}", _list_entries(seen, now), width)


def describe_state(seen: Subject) -> str:
    """Return in one sentence how a service is."""
    ready = seen.status.find(ConditionType.READY)
    if not seen.is_seen or ready is None:
        return UNSEEN
    stale = "" if seen.is_current else " The last change of the spec has not been looked at yet."
    paused = " Nothing is changed while it is paused." if seen.service.paused else ""
    state = "ready" if ready.status == "True" else "not ready"
    return f"{state}, {ready.message}{stale}{paused}"


def describe_replicas(seen: Subject, spec: AsrServiceSpec) -> str:
    """Return how many server pods there are, and who decides that."""
    status, scaling = seen.status, spec.autoscaling
    count = f"{status.ready_replicas} of {phrases.render_count(status.replicas, 'server')} ready"
    if scaling.mode == "Auto":
        bounds = describe_bounds(status.bounds) or (
            f"between {scaling.min_replicas} and {scaling.max_replicas}"
        )
        return f"{count}; tuned {bounds}, whatever spec.replicas says (mode Auto)."
    if scaling.mode == "Recommend" and status.recommendation is not None:
        advice = f"mode Auto would run {status.recommendation.replicas}"
        return f"{count}; spec.replicas says {spec.replicas}, {advice} (mode Recommend)."
    who = "; an external autoscaler may write it" if scaling.mode == "External" else ""
    return f"{count}; spec.replicas says {spec.replicas}{who} (mode {scaling.mode})."


def describe_bounds(bounds: BoundsInForce | None) -> str:
    """Return between what replicas are tuned by schedule, nothing where there are no schedules."""
    if bounds is None:
        return ""
    verb = "is" if len(bounds.schedules) == 1 else "are"
    who = " and ".join(bounds.schedules)
    when = f"while {who} {verb} in force" if who else "while no schedule is in force"
    until = f", until {bounds.until}" if bounds.until else ""
    return f"between {bounds.min_replicas} and {bounds.max_replicas} {when}{until}"


def describe_batch_size(seen: Subject, spec: AsrServiceSpec) -> str:
    """Return how large batches may be, whether servers know it, and who decides that."""
    status, batching = seen.status, spec.batching
    if status.desired_batch_size is None:
        return "No server has been told yet."
    told = f"at most {phrases.render_count(status.desired_batch_size, 'utterance')}"
    if batching.mode == "Fixed":
        return f"{told}, {_describe_delivery(status)} (mode Fixed)."
    bounds = f"between {batching.min_size} and {batching.max_size}"
    return f"{told}, {_describe_delivery(status)}; tuned {bounds} (mode Auto)."


def describe_load(load: LoadSummary, sessions: int | None, spec: AsrServiceSpec) -> str:
    """Return what was measured; what is not known is left out."""
    objective = spec.objectives
    facts = (
        sessions is not None and f"{phrases.render_count(sessions, 'session')} open",
        load.demand is not None and f"{load.demand} s of audio arrived per second",
        load.final_latency_ms is not None
        and f"{objective.quantile} of final latency {load.final_latency_ms} ms"
        f" (objective {objective.final_latency_ms} ms)",
        load.queue_wait_ms is not None and f"of queue wait {load.queue_wait_ms} ms",
        load.engine_duty is not None and f"engines busy {load.engine_duty} of the time",
        load.gpu_utilization is not None and describe_gpus(load),
        load.refused_per_s is not None
        and float(load.refused_per_s) > 0
        and f"{load.refused_per_s} sessions refused per second",
    )
    return ", ".join(fact for fact in facts if fact) or "nothing is known"


def describe_gpus(load: LoadSummary) -> str:
    """Return how busy the GPUs are, and how that is known."""
    by = f" (by {load.gpu_signal})" if load.gpu_signal else ""
    if load.gpus_shared:
        return f"GPUs that other pods share busy {load.gpu_utilization} of the time for it{by}"
    return f"GPUs busy {load.gpu_utilization} of the time{by}"


def _list_entries(seen: Subject, now: datetime) -> Iterator[Entry]:
    status, spec = seen.status, seen.spec
    if isinstance(seen.service.spec, InvalidSpec):
        yield Entry("spec", f"{seen.service.spec.message}. Correct it.")
    if not seen.is_seen:
        return
    if status.url:
        needs_token = spec is not None and spec.exposure.tokens is not None
        yield Entry("address", status.url + " (with a token)" * needs_token)
    if spec is not None:
        if status.load is not None:
            age = phrases.render_age(status.load.time, now)
            yield Entry("load", f"{describe_load(status.load, status.sessions, spec)}; {age} ago.")
        yield Entry(
            "replicas",
            describe_replicas(seen, spec) + _describe_last_change(status, "replicas", now),
        )
        yield Entry(
            "batch size",
            describe_batch_size(seen, spec) + _describe_last_change(status, "batchSize", now),
        )
    yield from _list_attention(seen, now)


def _list_attention(seen: Subject, now: datetime) -> Iterator[Entry]:
    for condition in subject.find_attention(seen):
        age = phrases.render_age(condition.last_transition_time, now)
        yield Entry(
            "attention", f"{condition.type} is {condition.status} for {age}: {condition.message}"
        )


def _describe_delivery(status: AsrServiceStatus) -> str:
    applied = status.find(ConditionType.BATCH_SIZE_APPLIED)
    if applied is None or applied.status == "Unknown":
        return "unknown whether in force"
    return "in force" if applied.status == "True" else "not yet in force on every server"


def _describe_last_change(status: AsrServiceStatus, knob: Knob, now: datetime) -> str:
    records = [record for record in status.scaling_history if record.knob == knob]
    if not records:
        return ""
    last = records[-1]
    age = phrases.render_age(last.time, now)
    return f" Last changed {age} ago, from {last.from_} to {last.to}."
