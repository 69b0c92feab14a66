"""How many replicas the load needs: the highest of four votes, each of which may have none.

- capacity: the peak of demand, or its forecast at the end of a cold start, over what a replica
  serves at the present batch size. Batches first: while the fleet keeps up, over what it serves at
  the size that batches can still grow to; when it does not, at the next size.
- sessions: they stay where they are, so each needs a place.
- GPU utilization: by the rule of the HorizontalPodAutoscaler, with its tolerance; servers whose GPU
  is not known yet count as idle, as there.
- latency: far too many finals late because of the queue, and not just once; unless adding replicas
  for that has been tried and did not help, or engines are idle for most of the time: sessions stay
  where they are, so the backlog of servers that were too few is theirs, and new ones cannot take it
  over.

Down, the same votes must hold with a margin, for the present demand or its forecast, and not far
too many finals may be late, nor any too many for the batches, which no fullness answers to; and not
to where it has proved too few (`hindsight`).
"""

import math
from dataclasses import dataclass

from asr_operator.api.names import Reason
from asr_operator.autoscaler import batch_policy, hindsight
from asr_operator.autoscaler.knowledge import Known
from asr_operator.autoscaler.situation import TOLERANCE_RATIO, Situation

OVERLOAD_RATIO = 0.9
LEAST_DUTY_RATIO = 0.5
SESSION_FILL_RATIO = 0.8
MOST_GROWTH_RATIO = 2.0


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
    late = situation.is_overspent and situation.is_measured and not situation.is_recovering
    if (
        latency is None
        or not late
        or not situation.waits_in_queue
        or has_idle_engines(situation.known)
        or hindsight.is_growth_futile(situation)
    ):
        return Vote(0, Reason.LATENCY_ABOVE_OBJECTIVE)
    wanted = math.ceil(situation.replicas * min(MOST_GROWTH_RATIO, latency.ratio))
    return Vote(wanted, Reason.LATENCY_ABOVE_OBJECTIVE)


def weigh_down(situation: Situation) -> float:
    """Return how few replicas would carry the load, with a margin; a fraction as it is.

    Peaks do not count here: the window of scaling down remembers them, and twice would be too long.
    """
    margin = 1 - TOLERANCE_RATIO
    too_long = situation.is_breached and not situation.waits_in_queue
    late = situation.is_overspent or too_long
    unmodelled = situation.capacity is None and situation.known.demand > 0
    if late or unmodelled:
        return situation.fleet.desired
    needs = [
        situation.expected / situation.capacity.served(situation.batch_size) / margin
        if situation.capacity
        else 0.0,
        _need_sessions(situation) / margin,
        situation.replicas * situation.gpu_pressure / margin,
    ]
    return max(hindsight.find_least_replicas(situation), *needs)


def is_backlog_stuck(situation: Situation) -> bool:
    """Return whether finals are late in queues that no other server can take over."""
    return situation.is_breached and situation.waits_in_queue and has_idle_engines(situation.known)


def has_idle_engines(known: Known) -> bool:
    """Return whether engines are idle for most of the time."""
    return known.duty_ratio is not None and known.duty_ratio < LEAST_DUTY_RATIO


def _need_capacity(situation: Situation) -> float:
    model, size = situation.capacity, situation.batch_size
    if model is None:
        return 0.0
    needed = situation.peak / model.served(size)
    if needed <= situation.fleet.desired:
        return needed
    keeps_up = situation.peak <= OVERLOAD_RATIO * model.most(size) * situation.replicas
    if keeps_up and not situation.is_breached:
        return situation.peak / model.served(batch_policy.find_room(situation))
    if batch_policy.find_hold(situation) is not None:
        return needed
    return situation.peak / model.served(batch_policy.find_next_size(situation))


def _need_sessions(situation: Situation) -> float:
    limit = situation.fleet.max_sessions
    return situation.known.sessions / (SESSION_FILL_RATIO * limit) if limit else 0.0


def _need_gpu(situation: Situation) -> int:
    if situation.gpu_pressure <= 1 + TOLERANCE_RATIO:
        return 0
    has_room = batch_policy.find_room(situation) > situation.batch_size
    if has_room and not situation.is_breached:
        return 0
    measured = situation.replicas - situation.known.without_gpu
    return math.ceil(measured * situation.gpu_pressure)


def _tolerate(needed: float, situation: Situation) -> int:
    """Round up, but stay at the present number if it is exceeded by little."""
    desired = situation.fleet.desired
    return desired if desired < needed <= (1 + TOLERANCE_RATIO) * desired else math.ceil(needed)
