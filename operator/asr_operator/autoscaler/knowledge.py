"""What may be believed of a load: loaded, idle or unknown. Unknown is never taken for zero.

1. Only ready pods are asked for. A pod is silent when its sessions or its demand are not known, and
   lies when a value of it cannot be; the values of neither count.
2. Unknown: no sample, a stale one, no demand, or no pod that can be believed. Also when what is
   left of the pods has nothing to do: the others may have.
3. Idle: every ready pod says that nothing arrives. Loaded: the rest.
4. While any ready pod is silent or lies, `problem` names it, and nothing may be taken away.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from asr_operator.api.names import Reason
from asr_operator.state.load import LoadSample, NoLoad, PodLoad
from asr_operator.state.plan import Problem
from asr_operator.state.scaling import Fleet, Knowledge

MOST_DUTY_RATIO = 1.5
MOST = 1e5  # of anything that one pod can report; sentinels lie far beyond


@dataclass(frozen=True, slots=True)
class Known:
    """What is believed; sums over the believed pods, and means of the ratios.

    `cpu_ratio` is of the CPU limit, None without one. `without_gpu` counts the believed pods that
    have no `gpu_ratio` where others have.
    """

    state: Knowledge
    problem: Problem | None = None
    demand: float = 0.0
    peak: float = 0.0
    sessions: float = 0.0
    heard: int = 0
    gpu_ratio: float | None = None
    duty_ratio: float | None = None
    cpu_ratio: float | None = None
    without_gpu: int = 0

    @property
    def is_complete(self) -> bool:
        """Return whether every ready pod is believed."""
        return self.problem is None


def judge_knowledge(sample: LoadSample | NoLoad, fleet: Fleet, now: float, stale_s: float) -> Known:
    """Decide what is known of a service."""
    if isinstance(sample, NoLoad):
        return Known("unknown", Problem(sample.reason, sample.message))
    if not fleet.ready:
        return _unknown(Reason.NO_SERVER, "No server is ready, so there is no load to measure.")
    if now - sample.at > stale_s:
        return _unknown(
            Reason.SERIES_STALE,
            f"The last sample is older than staleSeconds allow, {stale_s:.0f} s."
            " See whether the operator and Prometheus keep up.",
        )
    ready = frozenset(fleet.ready)
    reported = {load.pod: load for load in sample.pods if load.pod in ready}
    lying = [load for load in reported.values() if _is_lying(load)]
    heard = {
        name: load
        for name, load in reported.items()
        if load not in lying and _is_telling(load) and load.age_s <= stale_s
    }
    problem = _find_problem([load.pod for load in lying], ready, heard)
    demand = _believe(sample.demand_audio_ratio, lying)
    if demand is None or not heard:
        return Known("unknown", problem or _missing("the service", ()))
    sessions = sum(load.sessions or 0.0 for load in heard.values())
    arriving = demand > 0 or bool(sample.refused_per_s)
    if problem and not arriving and not sessions:
        return Known("unknown", problem)
    return Known(
        state="loaded" if arriving or problem else "idle",
        problem=problem,
        demand=demand,
        peak=max(demand, 0.0 if lying else _plausible(sample.demand_peak_ratio) or 0.0),
        sessions=sessions,
        heard=len(heard),
        gpu_ratio=_mean([load.gpu_ratio for load in heard.values()]),
        without_gpu=sum(load.gpu_ratio is None for load in heard.values()),
        duty_ratio=_mean([load.duty_ratio for load in heard.values()]),
        cpu_ratio=_mean([load.cpu_ratio or None for load in heard.values()]),
    )


def _is_telling(load: PodLoad) -> bool:
    return load.sessions is not None and load.demand_audio_ratio is not None


def _is_lying(load: PodLoad) -> bool:
    values = (load.sessions, load.session_limit, load.demand_audio_ratio, load.gpu_ratio)
    if any(value is not None and _plausible(value) is None for value in values):
        return True
    return load.duty_ratio is not None and not 0 <= load.duty_ratio <= MOST_DUTY_RATIO


def _plausible(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= MOST else None


def _believe(demand: float | None, lying: Collection[PodLoad]) -> float | None:
    """Return the demand without that of pods that lie, None if nothing is left to believe."""
    if demand is None or not math.isfinite(demand):
        return None
    return _plausible(max(0.0, demand - sum(_finite(load.demand_audio_ratio) for load in lying)))


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) and value > 0 else 0.0


def _mean(values: Collection[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _find_problem(
    lying: list[str], ready: Collection[str], heard: Collection[str]
) -> Problem | None:
    if lying:
        return Problem(
            Reason.SERIES_IMPLAUSIBLE,
            f"{_name_pods(lying)}: metrics that cannot be true, so they do not count, and no"
            " replicas are removed. Look at /metrics of the pod, port probes; delete the pod if"
            " they stay wrong.",
        )
    silent = sorted(set(ready) - set(heard))
    return _missing(_name_pods(silent), silent) if silent else None


def _missing(what: str, pods: Collection[str]) -> Problem:
    where = "its pods" if not pods else "the pod" if len(pods) == 1 else "the pods"
    return Problem(
        Reason.SERIES_MISSING,
        f"Prometheus has no fresh metrics of {what}, so no replicas are removed."
        f" See whether it scrapes port probes of {where}.",
    )


def _name_pods(pods: Collection[str]) -> str:
    names = sorted(pods)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ("pods " if len(names) > 1 else "pod ") + ", ".join(names[:3]) + more


def _unknown(reason: Reason, message: str) -> Known:
    return Known("unknown", Problem(reason, message))
