"""The status to write, and the events that tell of its changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from asr_operator.api import names, status
from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.spec import AsrServiceSpec, InvalidSpec
from asr_operator.api.status import AsrServiceStatus, Condition, LastFailure, Truth
from asr_operator.children import config_map
from asr_operator.children import service as service_child
from asr_operator.decisions import (
    conditions,
    delivery,
    history,
    rollout,
    scaling_report,
    steadiness,
)
from asr_operator.decisions.conditions import Verdict
from asr_operator.state.observed import Observed
from asr_operator.state.plan import Plan, Refusal
from asr_operator.state.tick import Tick

# False, and yet nothing that anybody has to put right.
HARMLESS = frozenset(
    {
        Reason.STARTING,
        Reason.LOADING,
        Reason.ROLLOUT_COMPLETE,
        Reason.PAUSED,
        Reason.SPEC_INVALID,
        Reason.SCALED_TO_ZERO,
        Reason.BATCH_SIZE_PENDING,
        Reason.LATENCY_ABOVE_OBJECTIVE,
        Reason.METRICS_UNKNOWN,
        Reason.NOT_LIMITED,
        Reason.PROMETHEUS_NOT_CONFIGURED,
        Reason.SCALING_EXTERNAL,
        Reason.SCALING_OFF,
    }
)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a condition that is worth an event."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def decide_status(
    observed: Observed, plan: Plan, refusals: tuple[Refusal, ...], tick: Tick, now: datetime
) -> AsrServiceStatus:
    """Return the status by what was observed; the old one when no news is worth a write."""
    spec = None if isinstance(observed.service.spec, InvalidSpec) else observed.service.spec
    fleet = rollout.judge_rollout(observed)
    spec_verdict = conditions.judge_spec(plan, refusals)
    progress = conditions.judge_progress(plan, refusals, fleet)
    causes = {
        ConditionType.READY: conditions.judge_readiness(spec_verdict, progress, fleet),
        ConditionType.SPEC_VALID: spec_verdict,
        ConditionType.PROGRESSING: progress,
        ConditionType.MODEL_READY: conditions.judge_model(fleet),
        ConditionType.CAPACITY_AVAILABLE: conditions.judge_capacity(fleet),
    }
    verdicts = {**causes, **_judge_scaling(observed, spec, plan, tick)}
    new = AsrServiceStatus(
        observed_generation=observed.service.generation,
        conditions=tuple(
            _render_condition(type_, verdict, observed, now) for type_, verdict in verdicts.items()
        ),
        replicas=observed.deployment.replicas if observed.deployment else 0,
        ready_replicas=fleet.ready,
        selector=names.render_selector_text(names.render_selector(observed.service.identity.name)),
        url=_render_url(observed),
        desired_batch_size=config_map.read_batch_size(
            observed.config.text if observed.config else None
        ),
        applied_batch_size=delivery.find_applied_size(observed, tick),
        sessions=scaling_report.count_sessions(tick),
        load=scaling_report.build_load(tick),
        recommendation=scaling_report.build_recommendation(spec, tick),
        bounds=scaling_report.build_bounds(spec, tick),
        scaling_history=history.merge_history(observed),
        last_failure=_decide_last_failure(causes.values(), observed.status.last_failure, now),
    )
    known = steadiness.keep_unasked(observed.status, new)
    return steadiness.keep_numbers(observed.status, known, now)


def _render_url(observed: Observed) -> str:
    service, port = observed.service.identity, observed.service_port
    return "" if port is None else service_child.render_url(service, port, tls=observed.service_tls)


def _judge_scaling(
    observed: Observed, spec: AsrServiceSpec | None, plan: Plan, tick: Tick
) -> dict[ConditionType, Verdict]:
    return {
        ConditionType.METRICS_AVAILABLE: scaling_report.judge_metrics(observed, spec, tick),
        ConditionType.SCALING_ACTIVE: scaling_report.judge_scaling(spec, plan, tick),
        ConditionType.SCALING_LIMITED: scaling_report.judge_limit(tick),
        ConditionType.BATCH_SIZE_APPLIED: delivery.judge_delivery(observed, tick),
        ConditionType.SLO_MET: scaling_report.judge_objective(spec, tick),
    }


def find_transitions(old: AsrServiceStatus, new: AsrServiceStatus) -> tuple[Transition, ...]:
    """Return what to tell: each cause once, however many conditions it changed."""
    transitions: dict[str, Transition] = {}
    for condition in new.conditions:
        before = old.find(condition.type)
        if before and (before.status, before.reason) == (condition.status, condition.reason):
            continue
        reason = str(condition.reason)
        if is_bad(condition):
            transitions[reason] = Transition("Warning", reason, condition.message)
        elif _is_news(before, condition):
            transitions.setdefault(reason, Transition("Normal", reason, condition.message))
    return tuple(transitions.values())


def is_bad(condition: Condition) -> bool:
    """Return whether a condition tells of something that somebody has to put right."""
    good = _good_status(condition.type)
    return condition.status not in (good, "Unknown") and condition.reason not in HARMLESS


def _is_news(before: Condition | None, after: Condition) -> bool:
    """Return whether a change that is no failure is worth an event."""
    if after.type == ConditionType.PROGRESSING:
        return after.reason != Reason.SPEC_INVALID  # SpecValid tells why.
    if after.type == ConditionType.READY:
        return before is None or before.status != after.status
    return before is not None and is_bad(before) and after.status == _good_status(after.type)


def _render_condition(
    type_: ConditionType, verdict: Verdict, observed: Observed, now: datetime
) -> Condition:
    before = observed.status.find(type_)
    unchanged = before is not None and before.status == verdict.status
    return Condition(
        type=type_,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=observed.service.generation,
        last_transition_time=before.last_transition_time
        if before is not None and unchanged
        else status.render_time(now),
    )


def _decide_last_failure(
    verdicts: Iterable[Verdict], old: LastFailure | None, now: datetime
) -> LastFailure | None:
    """Return the cause behind the failed conditions; Ready repeats causes, so it comes last."""
    failed = [verdict for verdict in verdicts if _is_failure(verdict.status, verdict.reason)]
    if not failed:
        return old
    cause = failed[-1]
    if old is not None and (old.reason, old.message) == (cause.reason, cause.message):
        return old
    return LastFailure(str(cause.reason), cause.message, status.render_time(now))


def _good_status(type_: ConditionType) -> Truth:
    return "False" if type_ == ConditionType.SCALING_LIMITED else "True"


def _is_failure(truth: Truth, reason: str) -> bool:
    return truth == "False" and reason not in HARMLESS
