"""The server pods as the autoscaler counts them, and which of them to remove first."""

from collections.abc import Iterable
from datetime import datetime

from asr_operator.api import names, status
from asr_operator.api.spec import AsrServiceSpec
from asr_operator.decisions import knobs, rollout
from asr_operator.state.observed import Observed, ObservedPod
from asr_operator.state.plan import PodNote
from asr_operator.state.scaling import Fleet
from asr_operator.state.tick import Tick

NO_COST = "0"


def judge_fleet(observed: Observed, spec: AsrServiceSpec, now: datetime) -> Fleet:
    """Return the fleet; a pod that is not ready within its progress deadline does not count."""
    deadline_s = spec.lifecycle.progress_deadline_s
    blocked = rollout.judge_rollout(observed).capacity_failure
    return Fleet(
        desired=knobs.find_starting_replicas(observed, spec),
        ready=tuple(sorted(pod.name for pod in observed.pods if pod.is_ready)),
        unready=sum(not pod.is_ready and _age_s(pod, now) < deadline_s for pod in observed.pods),
        blocked=blocked.message if blocked else None,
        cold_start_s=_measure_cold_start_s(observed.pods),
        batch_size=knobs.find_batch_size(observed).value or spec.batching.size,
        max_sessions=spec.runtime.max_sessions,
    )


def decide_deletion_costs(observed: Observed, replicas: int, tick: Tick) -> tuple[PodNote, ...]:
    """Return the cost to write on each pod before replicas are lowered: its open sessions.

    Kubernetes removes pods that are not ready first, whatever this says.
    """
    if observed.deployment is None or replicas >= observed.deployment.desired:
        return ()
    notes = []
    for pod in observed.pods:
        load = tick.find_pod(pod.name)
        if load is None or load.sessions is None:
            continue
        cost = str(round(load.sessions))
        if cost != (pod.deletion_cost or NO_COST):
            notes.append(PodNote(pod.name, ((names.DELETION_COST_ANNOTATION, cost),)))
    return tuple(notes)


def _measure_cold_start_s(pods: Iterable[ObservedPod]) -> float | None:
    """Return the median time from the creation of a pod to its readiness."""
    times = [
        (status.parse_time(pod.ready_at) - status.parse_time(pod.created_at)).total_seconds()
        for pod in pods
        if pod.ready_at is not None and pod.terminated is None
    ]
    return sorted(times)[(len(times) - 1) // 2] if times else None


def _age_s(pod: ObservedPod, now: datetime) -> float:
    return (now - status.parse_time(pod.created_at)).total_seconds()
