"""The ticks of the loop: what is known of a service's load, and what the autoscaler makes of it.

What the autoscaler remembers is kept here from one tick to the next. That is a cache: it is made
anew from the status of the service and the past that Prometheus knows.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.spec import AsrServiceSpec, InvalidSpec
from asr_operator.api.status import Condition, parse_time
from asr_operator.autoscaler import decide, memory
from asr_operator.cluster.load import LoadSource
from asr_operator.cluster.work_queue import Key
from asr_operator.decisions import fleet, history, scaling_report
from asr_operator.state.load import LoadQuestion, LoadSample, NoLoad
from asr_operator.state.observed import Observed
from asr_operator.state.tick import Tick

# How often a service is looked at whose load is only reported.
REPORT_INTERVAL_S = 60.0
# How often a service is looked at while the kubelet gets a pod ready: it tells by events alone.
PREPARING_INTERVAL_S = 10.0
# Later on, after this part of the time that the pod has waited: what is wrong is known by then.
PREPARING_RATIO = 0.1
# Ticks come with new samples; this many intervals without one is a tick all the same.
PATIENCE_INTERVALS = 1.5


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A memory, and whether the past that Prometheus knows went into it."""

    memory: memory.Memory
    is_complete: bool


class Ticks:
    """What is remembered of each service, and what will be when its decision is carried out."""

    def __init__(self, load: LoadSource) -> None:
        self._load = load
        self._remembered: dict[Key, _Remembered] = {}
        self._proposed: dict[Key, _Remembered] = {}

    def take(self, key: Key, observed: Observed, now: datetime, *, may_change: bool) -> Tick:
        """Return what is known of a service, and what is decided if it may be changed."""
        spec = observed.service.spec
        if isinstance(spec, InvalidSpec):
            return Tick(self._load.read(key, LoadQuestion(interval_s=REPORT_INTERVAL_S)))
        load = explain_silence(self._load.read(key, build_question(observed, spec, now)), observed)
        if not may_change:
            return Tick(load)
        before = self._recall(key, observed, now)
        decision, after = decide.decide(
            load,
            fleet.judge_fleet(observed, spec, now),
            spec.scaling,
            before.memory,
            now.timestamp(),
        )
        self._proposed[key] = _Remembered(after, before.is_complete)
        if not decision.changes:
            self.keep(key)
        return Tick(load, decision)

    def keep(self, key: Key) -> None:
        """Remember the last tick, because its decision was carried out."""
        if key in self._proposed:
            self._remembered[key] = self._proposed.pop(key)

    def forget(self, key: Key) -> None:
        """Remember nothing of a service any more."""
        self._remembered.pop(key, None)
        self._proposed.pop(key, None)

    def _recall(self, key: Key, observed: Observed, now: datetime) -> _Remembered:
        known = self._remembered.get(key)
        if known is not None and known.is_complete:
            return known
        points = self._load.read_history(key)
        if known is not None and points is None:
            return known
        changes = history.read_changes(observed.status.scaling_history)
        started_at = known.memory.started_at if known else now.timestamp()
        return _Remembered(memory.restore(changes, started_at, points or ()), points is not None)


def build_question(observed: Observed, spec: AsrServiceSpec, now: datetime) -> LoadQuestion:
    """Return what to ask of the load of a service, and how often."""
    behavior = spec.autoscaling.behavior
    interval_s = float(behavior.interval_s)
    return LoadQuestion(
        interval_s=interval_s if is_urgent(observed, spec) else max(interval_s, REPORT_INTERVAL_S),
        window_s=behavior.demand.window_s,
        peak_s=behavior.demand.peak_s,
        stale_s=behavior.stale_s,
        quantile=spec.objectives.quantile_ratio,
        new_pods=find_new_pods(observed, behavior.demand.window_s, now),
        objective_s=spec.objectives.final_latency_s,
    )


def find_new_pods(observed: Observed, window_s: float, now: datetime) -> frozenset[str]:
    """Return the pods that have not been ready for a window yet."""
    return frozenset(
        pod.name
        for pod in observed.pods
        if not pod.is_ready or (pod.ready_at and _read_age_s(pod.ready_at, now) < window_s)
    )


def explain_silence(load: LoadSample | NoLoad, observed: Observed) -> LoadSample | NoLoad:
    """Return the load, or that nothing could report one where that is why there is none."""
    is_silent = isinstance(load, NoLoad) and load.reason == Reason.SERIES_MISSING
    if is_silent and not any(pod.is_ready for pod in observed.pods):
        return NoLoad(load.at, Reason.NO_SERVER, "No server is ready, so there is nothing to know")
    return load


def decide_wait_s(observed: Observed, now: datetime) -> float:
    """Return after how long to look at a service again, at the latest."""
    spec = observed.service.spec
    wait_s = min(
        (
            max(PREPARING_INTERVAL_S, PREPARING_RATIO * _read_age_s(pod.preparing_since, now))
            for pod in observed.pods
            if pod.preparing_since
        ),
        default=math.inf,
    )
    if isinstance(spec, InvalidSpec) or not is_urgent(observed, spec):
        return wait_s
    return min(wait_s, PATIENCE_INTERVALS * spec.autoscaling.behavior.interval_s)


def is_urgent(observed: Observed, spec: AsrServiceSpec) -> bool:
    """Return whether the load decides something, or servers are taking over a batch size."""
    applied: Condition | None = observed.status.find(ConditionType.BATCH_SIZE_APPLIED)
    return scaling_report.is_watched(spec) or (applied is not None and applied.status == "False")


def _read_age_s(time: str, now: datetime) -> float:
    return (now - parse_time(time)).total_seconds()
