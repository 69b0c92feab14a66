"""When the batch size moves, and where to. Steps are x1.25 up and x0.7 down.

1. The plan: the fewest replicas that carry the load at the best feasible size; then the smallest
   size at which that many carry it. Without load that is the smallest size there is; with GPUs
   that are too busy, the best.
2. Up only when `size` closes batches, latency is not to blame on the batch, and enough finals were
   seen since the fleet last changed; it helps in seconds, a server later. Down when every plan of
   the scale-down window allows it, with a margin.
3. Finals late because a batch takes long: down.
4. What was too large of late, or too small under no more load, is not tried (`hindsight`).
5. Never while replicas change or settle, nor just after a start, but up while finals wait too long
   in the queue: then nothing is learned from holding still. One step per interval.
"""

import math
from dataclasses import dataclass

from asr_operator.api.names import Reason
from asr_operator.autoscaler import capacity, hindsight
from asr_operator.autoscaler.situation import TOLERANCE_RATIO, Situation
from asr_operator.autoscaler.stabilization import JITTER_RATIO

BINDING_RATIO = 0.05
SHRINK_MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Retune:
    """A batch size to move to."""

    to: int
    reason: Reason


def find_hold(situation: Situation) -> str | None:
    """Return why the batch size may not move now, or None; up it may while servers fall behind."""
    fleet, memory, now = situation.fleet, situation.memory, situation.now
    settle_s = situation.spec.autoscaling.behavior.batch.settle_s
    if fleet.unready or len(fleet.ready) > fleet.desired:
        return "replicas are changing"
    changed = memory.last_change("replicas")
    if now - max(memory.fleet_changed_at, changed.at if changed else 0.0) < settle_s:
        return "replicas have just changed"
    if now - memory.started_at < settle_s:
        return "the operator has just started"
    return None


def find_next_size(situation: Situation) -> int:
    """Return the size that one step leads to if batches can grow with profit, else the present."""
    return min(find_room(situation), capacity.step_up(situation.batch_size))


def find_room(situation: Situation) -> int:
    """Return the size that batches could grow to with profit; the present one if they could not."""
    size, model = situation.batch_size, situation.capacity
    if not situation.tunes_batch or model is None or situation.size_bound_ratio < BINDING_RATIO:
        return size
    return max(size, model.best_size(hindsight.find_most_size(situation)))


def plan_size(situation: Situation) -> int | None:
    """Return the size by rule 1, None while there is no model to say."""
    model, least = situation.capacity, situation.spec.autoscaling.min_replicas
    if not situation.tunes_batch:
        return None
    if situation.known.state == "idle":
        return situation.spec.batching.min_size
    if model is None:
        return None
    most_size, replicas = hindsight.find_most_size(situation), situation.replicas
    if situation.gpu_pressure > 1 + TOLERANCE_RATIO:
        return model.best_size(most_size)
    if situation.owns_replicas:
        needed = math.ceil(situation.peak / model.served(model.best_size(most_size)))
        replicas = min(replicas, max(least, needed))
    load, size = situation.peak / replicas, situation.batch_size
    plan = model.size_for(load, most_size)
    if plan >= size:
        return plan
    eased = situation.gpu_pressure <= 1 - 2 * TOLERANCE_RATIO
    return min(size, model.size_for(SHRINK_MARGIN * load, most_size)) if eased else size


def propose_smaller(situation: Situation) -> Retune | None:
    """Return a smaller size, if finals are late because batches take long."""
    size, least = situation.batch_size, situation.spec.batching.min_size
    if not situation.is_breached or situation.is_recovering or situation.waits_in_queue:
        return None
    if size <= least:
        return None
    to = max(least, capacity.step_down(size))
    if not _has_interval_passed(situation) or not _is_sustained(situation, to):
        return None
    return Retune(to, Reason.BATCH_TOO_LARGE)


def propose_larger(situation: Situation, plan: int | None) -> Retune | None:
    """Return a larger size, if the plan has one and the present one binds."""
    size, batching = situation.batch_size, situation.spec.batching
    to = min(capacity.step_up(size), batching.max_size)
    if plan is None or to <= size or plan < to or find_room(situation) <= size:
        return None
    late = situation.latency is not None and situation.latency.is_missed
    if late and not situation.waits_in_queue:
        return None
    if not late and find_hold(situation) is not None:
        return None
    enough = situation.memory.finals >= situation.spec.autoscaling.behavior.batch.min_samples
    return (
        Retune(to, Reason.BATCH_TOO_SMALL) if enough and _has_interval_passed(situation) else None
    )


def propose_return(situation: Situation) -> Retune | None:
    """Return a smaller size, if less load had no use for the present one, nor for one between."""
    size, memory = situation.batch_size, situation.memory
    to = max(situation.spec.batching.min_size, capacity.step_down(size))
    window_s = situation.spec.autoscaling.behavior.scale_down.stabilization_s
    if to >= size or not _has_interval_passed(situation):
        return None
    if not situation.known.is_complete or situation.now - memory.watching_since < window_s:
        return None
    since = situation.now - window_s
    plans = [wish.batch_size for wish in memory.wishes if wish.at >= since]
    if any(plan is None or plan > to for plan in plans) or max(memory.lateness) > 1:
        return None
    return None if hindsight.is_size_needed(situation) else Retune(to, Reason.LOAD_FELL)


def _has_interval_passed(situation: Situation) -> bool:
    change = situation.memory.last_change("batchSize")
    interval_s = situation.spec.autoscaling.behavior.batch.interval_s
    return change is None or situation.now - change.at >= JITTER_RATIO * interval_s


def _is_sustained(situation: Situation, size: int) -> bool:
    """Return whether the present replicas keep up with the load at a size."""
    model = situation.capacity
    return model is None or situation.known.demand < model.most(size) * situation.replicas
