"""The order in which the two knobs are considered; the first that has to move, moves alone.

1. More replicas for capacity, sessions or GPU utilization.
2. A change of the batch size that made things worse is taken back.
3. Late finals: a smaller batch where batches take long; a larger one where its size keeps finals
   waiting; else more replicas.
4. A larger batch, then fewer replicas, then a smaller batch: what is cheaper for less load.

The batch size holds still while replicas change or settle, unless finals wait too long. Replicas
are not removed while a change of the batch size settles, while servers start, while a server is
not heard, or before one full window was watched.
"""

import math
from dataclasses import dataclass

from asr_operator.api.names import Reason
from asr_operator.autoscaler import batch_policy, explain, hindsight, replica_policy, stabilization
from asr_operator.autoscaler.batch_policy import Retune
from asr_operator.autoscaler.memory import Wish
from asr_operator.autoscaler.replica_policy import Vote
from asr_operator.autoscaler.situation import Situation
from asr_operator.state.scaling import Knob


@dataclass(frozen=True, slots=True)
class Choice:
    """A knob and its new value; or no knob, and why nothing changes."""

    reason: Reason
    knob: Knob | None = None
    to: int = 0
    message: str = ""


def make_wish(situation: Situation) -> Wish:
    """Return what this tick alone would have."""
    votes = (replica_policy.weigh_load(situation), replica_policy.weigh_latency(situation))
    return Wish(
        at=situation.now,
        up=max(vote.replicas for vote in votes),
        down=replica_policy.weigh_down(situation),
        batch_size=batch_policy.plan_size(situation),
    )


def choose(situation: Situation) -> Choice:
    """Return the one change to make, or why there is none; the last wish is that of this tick."""
    growth = _grow(situation, replica_policy.weigh_load(situation))
    if growth is not None:
        return growth
    still = not situation.tunes_batch or batch_policy.find_hold(situation) is not None
    retune = None if still else _retune_for_latency(situation)
    if retune is not None:
        return retune
    larger = batch_policy.propose_larger(situation, situation.memory.wishes[-1].batch_size)
    if larger is not None:
        return _turn(larger)
    growth = _grow(situation, replica_policy.weigh_latency(situation))
    if growth is not None:
        return growth
    shrink = _shrink(situation)
    if shrink is not None and shrink.knob is not None:
        return shrink
    smaller = None if still else batch_policy.propose_return(situation)
    return _turn(smaller) if smaller else shrink or _stay(situation)


def is_unattainable(situation: Situation) -> bool:
    """Return whether finals stay late whatever is done."""
    if not situation.is_breached:
        return False
    smallest = situation.batch_size <= situation.spec.batching.min_size
    batch_is_last = smallest or not situation.tunes_batch
    too_slow = batch_is_last and not situation.waits_in_queue
    return too_slow or hindsight.is_growth_futile(situation)


def _retune_for_latency(situation: Situation) -> Choice | None:
    worse = hindsight.find_worse_size(situation)
    if worse is not None:
        return Choice(Reason.BATCH_ROLLED_BACK, "batchSize", worse.from_)
    smaller = batch_policy.propose_smaller(situation)
    return _turn(smaller) if smaller else None


def _turn(retune: Retune) -> Choice:
    return Choice(retune.reason, "batchSize", retune.to)


def _grow(situation: Situation, vote: Vote) -> Choice | None:
    desired, autoscaling = situation.fleet.desired, situation.spec.autoscaling
    if vote.replicas <= desired or not situation.can_grow:
        return None
    rule, memory, now = autoscaling.behavior.scale_up, situation.memory, situation.now
    calm = stabilization.stabilize_up(memory.wishes, now, rule.stabilization_s)
    wanted = min(vote.replicas, calm, autoscaling.max_replicas)
    to = stabilization.limit_up(desired, wanted, rule, memory.changes, now)
    return Choice(vote.reason, "replicas", to) if to > desired else None


def _shrink(situation: Situation) -> Choice | None:
    """Return fewer replicas, or why there are not fewer yet; None if all are needed."""
    desired, autoscaling = situation.fleet.desired, situation.spec.autoscaling
    rule, memory, now = autoscaling.behavior.scale_down, situation.memory, situation.now
    enough = max(autoscaling.min_replicas, math.ceil(memory.wishes[-1].down), memory.wishes[-1].up)
    if not situation.owns_replicas or enough >= desired:
        return None
    hold = _find_shrink_hold(situation)
    if hold is not None:
        return _wait(hold, enough, desired)
    calm = max(enough, stabilization.stabilize_down(memory.wishes, now, rule.stabilization_s))
    if calm >= desired:
        return _wait(f"more were, in the last {rule.stabilization_s} s", enough, desired)
    to = stabilization.limit_down(desired, calm, rule, memory.changes, now)
    if to == desired:
        return _wait("others have just been removed", enough, desired)
    return Choice(Reason.LOAD_FELL, "replicas", to)


def _find_shrink_hold(situation: Situation) -> str | None:
    behavior, now = situation.spec.autoscaling.behavior, situation.now
    window_s, retuned = (
        behavior.scale_down.stabilization_s,
        situation.memory.last_change("batchSize"),
    )
    if not situation.known.is_complete:
        return "not every server is heard"
    if situation.fleet.unready:
        return "servers are starting"
    if now - situation.memory.watching_since < window_s:
        return f"the load has not been watched for {window_s} s yet"
    if retuned is not None and now - retuned.at < behavior.batch.settle_s:
        return "the batch size has just changed"
    return None


def _wait(why: str, enough: int, desired: int) -> Choice:
    message = f"{enough} of {desired} replicas are enough now; none is removed yet: {why}."
    return Choice(Reason.STABILIZING, message=message)


def _stay(situation: Situation) -> Choice:
    static = explain.describe_static(situation.spec)
    if static is not None:
        return Choice(static.reason, message=static.message)
    if is_unattainable(situation):
        return Choice(Reason.UNATTAINABLE, message=explain.describe_unattainable(situation))
    if replica_policy.is_backlog_stuck(situation):
        return Choice(Reason.STEADY, message=explain.describe_backlog(situation))
    return Choice(Reason.STEADY, message=explain.describe_steady(situation))
