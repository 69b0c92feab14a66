"""How many replicas the load needs: the highest of four votes, each of which may have none.

- capacity: the peak of demand, or its forecast at the end of a cold start, over what a replica
  serves at the present batch size. While the fleet keeps up and batches can still grow, over what
  it serves at the size they grow to: batches first.
- sessions: they stay where they are, so each needs a place.
- GPU utilization: by the rule of the HorizontalPodAutoscaler, with its tolerance.
- latency: finals late because of the queue, and not just once; unless adding replicas for that has
  been tried and did not help.

Down, the same votes must hold with a margin, and finals must be in time. A removal that had to be
taken back under no more load is not repeated for `AVOID_WINDOWS` stabilization windows.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from asr_operator.api.names import Reason
from asr_operator.autoscaler import batch_policy, explain
from asr_operator.autoscaler.situation import Situation
from asr_operator.state.scaling import Change

TOLERANCE_RATIO = 0.1
OVERLOAD_RATIO = 0.9
SESSION_FILL_RATIO = 0.8
MOST_GROWTH_RATIO = 2.0
HELPED_RATIO = 0.9
AVOID_WINDOWS = 10
SAME_DEMAND_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class Vote:
    """How many replicas there should be, and why."""

    replicas: int
    reason: Reason


def weigh_load(situation: Situation) -> Vote:
    """Return the highest vote of capacity, sessions and GPU utilization, at least one replica."""
    votes = [
        Vote(_tolerate(_need_capacity(situation), situation), Reason.CAPACITY_NEEDED),
        Vote(math.ceil(_need_sessions(situation)), Reason.SESSIONS_NEEDED),
        Vote(_need_gpu(situation), Reason.GPU_ABOVE_OBJECTIVE),
        Vote(1, Reason.STEADY),
    ]
    return max(votes, key=lambda vote: vote.replicas)


def weigh_latency(situation: Situation) -> Vote:
    """Return the vote of the latency, no replicas while it has none."""
    latency = situation.latency
    late = situation.is_breached and situation.is_measured and not situation.is_recovering
    if latency is None or not late or not situation.waits_in_queue or is_growth_futile(situation):
        return Vote(0, Reason.LATENCY_ABOVE_OBJECTIVE)
    wanted = math.ceil(situation.replicas * min(MOST_GROWTH_RATIO, latency.ratio))
    return Vote(wanted, Reason.LATENCY_ABOVE_OBJECTIVE)


def weigh_down(situation: Situation) -> int:
    """Return how few replicas would carry the load, with a margin."""
    latency, margin = situation.latency, 1 - TOLERANCE_RATIO
    late = latency is not None and latency.is_missed
    unmodelled = situation.capacity is None and situation.known.demand > 0
    if late or unmodelled:
        return situation.fleet.desired
    needs = [
        situation.peak / situation.capacity.served(situation.batch_size) / margin
        if situation.capacity
        else 0.0,
        _need_sessions(situation) / margin,
        _gpu_load(situation) / margin,
    ]
    return max(find_least(situation), math.ceil(max(needs)))


def is_growth_futile(situation: Situation) -> bool:
    """Return whether replicas were added for latency, which is as bad as before at no more load."""
    change = _last_latency_growth(situation)
    if change is None or not situation.is_breached or not situation.latency:
        return False
    if not situation.is_measured or situation.fleet.unready:
        return False
    latency_ms = explain.read_input(change, "finalLatencyMs") or 0.0
    demand = explain.read_input(change, "demand") or 0.0
    same_load = situation.known.demand <= (1 + TOLERANCE_RATIO) * demand
    return same_load and 1000 * situation.latency.final_s >= HELPED_RATIO * latency_ms


def find_least(situation: Situation) -> int:
    """Return the fewest replicas that have not proved too few for a load like this."""
    changes = [change for change in situation.memory.changes if change.knob == "replicas"]
    window_s = situation.spec.autoscaling.behavior.scale_down.stabilization_s
    since, least = situation.now - AVOID_WINDOWS * window_s, 1
    for removal, return_ in pairwise(changes):
        before = explain.read_input(removal, "demandPeak") or 0.0
        after = explain.read_input(return_, "demandPeak") or 0.0
        taken_back = removal.reason == Reason.LOAD_FELL and return_.to > return_.from_ >= removal.to
        same = after <= SAME_DEMAND_RATIO * before and after <= SAME_DEMAND_RATIO * situation.peak
        if taken_back and same and return_.at >= since:
            least = max(least, return_.from_ + 1)
    return least


def _last_latency_growth(situation: Situation) -> Change | None:
    last = situation.memory.last_change("replicas")
    return last if last and last.reason == Reason.LATENCY_ABOVE_OBJECTIVE else None


def _need_capacity(situation: Situation) -> float:
    model, size = situation.capacity, situation.batch_size
    if model is None:
        return 0.0
    needed = situation.peak / model.served(size)
    keeps_up = situation.peak <= OVERLOAD_RATIO * model.most(size) * situation.replicas
    if needed > situation.fleet.desired and keeps_up and not situation.is_breached:
        needed = situation.peak / model.served(batch_policy.find_room(situation))
    return needed


def _need_sessions(situation: Situation) -> float:
    limit = situation.fleet.max_sessions
    return situation.known.sessions / (SESSION_FILL_RATIO * limit) if limit else 0.0


def _need_gpu(situation: Situation) -> int:
    wanted = _gpu_load(situation)
    if wanted <= (1 + TOLERANCE_RATIO) * situation.replicas:
        return 0
    has_room = batch_policy.find_room(situation) > situation.batch_size
    return 0 if has_room and not situation.is_breached else math.ceil(wanted)


def _gpu_load(situation: Situation) -> float:
    ratio = situation.known.gpu_ratio
    objective = situation.spec.objectives.gpu_utilization_ratio
    return situation.replicas * ratio / objective if ratio is not None else 0.0


def _tolerate(needed: float, situation: Situation) -> int:
    """Round up, but stay at the present number if it is exceeded by little."""
    desired = situation.fleet.desired
    return desired if desired < needed <= (1 + TOLERANCE_RATIO) * desired else math.ceil(needed)
