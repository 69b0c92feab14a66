"""The part of the status about load and scaling: conditions, numbers, recommendation.

Messages hold no numbers that vary from tick to tick, except those that come from the autoscaler;
`decisions.steadiness` keeps these from being written again and again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from asr_operator.api import status
from asr_operator.api.autoscaling import Objectives
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import BoundsInForce, LoadSummary, Recommendation
from asr_operator.api.spec import AsrServiceSpec
from asr_operator.decisions.conditions import Verdict
from asr_operator.state.load import LoadSample, NoLoad
from asr_operator.state.observed import Observed
from asr_operator.state.plan import Plan, Problem
from asr_operator.state.tick import Tick

# Nothing is wrong yet: there is nothing to measure, or it was not measured so far.
TOO_EARLY = frozenset({Reason.NO_SERVER, Reason.NOT_SAMPLED_YET})


def judge_metrics(observed: Observed, spec: AsrServiceSpec | None, tick: Tick) -> Verdict:
    """Decide MetricsAvailable; pods that have just become ready may not have been scraped yet."""
    problem = _find_problem(tick)
    if problem is None:
        return Verdict("True", Reason.METRICS_FOUND, "Every ready server's metrics are fresh.")
    is_early = problem.reason in TOO_EARLY or not any(pod.is_ready for pod in observed.pods)
    if problem.reason == Reason.SERIES_MISSING and spec is not None:
        since = tick.load.at - spec.autoscaling.behavior.stale_s
        is_early = is_early or any(
            pod.ready_at is not None and status.parse_time(pod.ready_at).timestamp() > since
            for pod in observed.pods
        )
    return Verdict("Unknown" if is_early else "False", problem.reason, problem.message)


def judge_scaling(spec: AsrServiceSpec | None, plan: Plan, tick: Tick) -> Verdict:
    """Decide ScalingActive."""
    decision = tick.decision
    if plan.hold is not None:
        return Verdict("False", plan.hold.reason, plan.hold.message)
    if spec is None or decision is None:
        return Verdict("False", Reason.SPEC_INVALID, "Nothing is scaled until spec is corrected.")
    is_tuned = is_watched(spec) and decision.reason != Reason.METRICS_UNKNOWN
    message = decision.message
    if spec.autoscaling.mode == "Auto":
        message = f"{message} spec.replicas is ignored in mode Auto."
    return Verdict("True" if is_tuned else "False", decision.reason, message)


def judge_limit(tick: Tick) -> Verdict:
    """Decide ScalingLimited, which is true when something is in the way."""
    limited = tick.decision.limited if tick.decision else None
    if limited is not None:
        return Verdict("True", limited.reason, limited.message)
    return Verdict("False", Reason.NOT_LIMITED, "Nothing keeps replicas from where they should be.")


def judge_objective(spec: AsrServiceSpec | None, tick: Tick) -> Verdict:
    """Decide SloMet."""
    decision = tick.decision
    if spec is None or decision is None or decision.slo_met is None:
        return Verdict("Unknown", Reason.NO_FINALS, "There are no finals to judge the latency by.")
    latency = _describe_objective(spec.objectives)
    if decision.slo_met:
        return Verdict("True", Reason.OBJECTIVE_MET, f"The {latency} is met.")
    if decision.unattainable:
        return Verdict(
            "False",
            Reason.UNATTAINABLE,
            f"The {latency} is missed, and neither more replicas nor a smaller batch helps. Raise"
            " spec.objectives.finalLatency, give servers faster hardware, or use a smaller model.",
        )
    return Verdict("False", Reason.LATENCY_ABOVE_OBJECTIVE, f"The {latency} is missed.")


def is_watched(spec: AsrServiceSpec) -> bool:
    """Return whether the autoscaler decides or recommends anything."""
    return spec.autoscaling.mode in ("Auto", "Recommend") or spec.batching.mode == "Auto"


def build_load(tick: Tick) -> LoadSummary | None:
    """Return the load for the status, None when it is not known."""
    load = tick.load
    if isinstance(load, NoLoad):
        return None
    return LoadSummary(
        time=_render_time(load.at),
        final_latency_ms=_render_ms(load.final_latency_s),
        queue_wait_ms=_render_ms(load.queue_wait_s),
        demand=_render_decimal(load.demand_audio_ratio),
        refused_per_s=_render_decimal(load.refused_per_s),
        engine_duty=_render_mean(pod.duty_ratio for pod in load.pods),
        gpu_utilization=_render_mean(pod.gpu_ratio for pod in load.pods),
        gpu_signal=load.gpu_signal,
        gpus_shared=load.gpus_are_shared or None,
    )


def count_sessions(tick: Tick) -> int | None:
    """Return how many sessions are open, None when no server tells."""
    pods = tick.load.pods if isinstance(tick.load, LoadSample) else ()
    sessions = [pod.sessions for pod in pods if pod.sessions is not None]
    return round(sum(sessions)) if sessions else None


def build_recommendation(spec: AsrServiceSpec | None, tick: Tick) -> Recommendation | None:
    """Return what mode Auto would choose, in mode Recommend."""
    decision = tick.decision
    if spec is None or decision is None or decision.recommended_replicas is None:
        return None
    if spec.autoscaling.mode != "Recommend":
        return None
    return Recommendation(decision.recommended_replicas, decision.recommended_batch_size)


def build_bounds(spec: AsrServiceSpec | None, tick: Tick) -> BoundsInForce | None:
    """Return the bounds that schedules make, where they bound anything."""
    bounds = tick.decision.bounds if tick.decision else None
    if spec is None or bounds is None or spec.autoscaling.mode not in ("Auto", "Recommend"):
        return None
    return BoundsInForce(
        min_replicas=bounds.min_replicas,
        max_replicas=bounds.max_replicas,
        schedules=bounds.schedules,
        until=None if bounds.until is None else _render_time(bounds.until),
    )


def _find_problem(tick: Tick) -> Problem | None:
    if isinstance(tick.load, NoLoad):
        message = tick.load.message
        return Problem(tick.load.reason, f"{message[:1].upper()}{message[1:].rstrip('.')}.")
    return tick.decision.metrics if tick.decision else None


def _describe_objective(objectives: Objectives) -> str:
    return f"objective of {objectives.final_latency_ms} ms for {objectives.quantile} of finals"


def _render_time(at: float) -> str:
    return status.render_time(datetime.fromtimestamp(at, UTC))


def _render_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)


def _render_decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _render_mean(values: Iterable[float | None]) -> str | None:
    known = [value for value in values if value is not None]
    return _render_decimal(sum(known) / len(known)) if known else None
