"""What the record of changes proves: what did not help, and what is better not repeated.

- A batch size that made things worse: finals later than before and than the objective under the
  same load, or, after a step up, more computing for each audio second. A queue grows with little
  more load, so after a step up the load must be the same almost exactly where finals wait in it.
- A batch size that was too large of late, or too small under no more load than now.
- Replicas that were removed and had to be brought back under no more load.
- Replicas that were added because finals were late, which are as late as before.

The inputs of a record say what was measured when the change was decided, so all of this outlives a
restart.
"""

from itertools import pairwise

from asr_operator.api.names import Reason
from asr_operator.autoscaler import explain
from asr_operator.autoscaler.situation import Situation
from asr_operator.state.scaling import Change

TRIALS = (Reason.BATCH_TOO_LARGE, Reason.BATCH_TOO_SMALL, Reason.LOAD_FELL)
TRIAL_INTERVALS = 3
AVOID_INTERVALS = 10  # of the batch size
AVOID_WINDOWS = 10  # of scaling down
SAME_DEMAND = (0.75, 1.25)
WORSE_LATENCY_RATIO = 1.1
WORSE_COST_RATIO = 1.05
HELPED_RATIO = 0.9
LITTLE_LESS, LITTLE_MORE = 0.95, 1.1  # with less load, batches are smaller and cost more


def find_worse_size(situation: Situation) -> Change | None:
    """Return the last change of the batch size if it has been tried and made things worse."""
    change = situation.memory.last_change("batchSize")
    tuning = situation.spec.autoscaling.behavior.batch
    if change is None or change.reason not in TRIALS:
        return None
    age_s = situation.now - change.at
    grown = situation.memory.last_change("replicas")
    others_at = max(situation.memory.fleet_changed_at, grown.at if grown else 0.0)
    if others_at > change.at or change.to != situation.batch_size:
        return None
    shows_s = max(tuning.settle_s, situation.spec.autoscaling.behavior.demand.window_s)
    if not shows_s <= age_s <= shows_s + TRIAL_INTERVALS * tuning.interval_s:
        return None
    if situation.memory.finals < tuning.min_samples or not _made_worse(situation, change):
        return None
    return change


def find_most_size(situation: Situation) -> int | None:
    """Return the largest size to try, None if none was too large of late."""
    found = [change.from_ - 1 for change in _recent(situation) if _was_too_large(change)]
    return max(situation.spec.batching.min_size, min(found)) if found else None


def is_size_needed(situation: Situation) -> bool:
    """Return whether a smaller size was too small of late, under no more load than now."""
    for change in _recent(situation):
        demand = explain.read_input(change, "demandPeak") or 0.0
        if change.reason == Reason.BATCH_TOO_SMALL and situation.peak >= SAME_DEMAND[0] * demand:
            return True
        if change.reason == Reason.BATCH_ROLLED_BACK and change.to > change.from_:
            return True
    return False


def find_least_replicas(situation: Situation) -> int:
    """Return the fewest replicas that have not proved too few for a load like this."""
    changes = [change for change in situation.memory.changes if change.knob == "replicas"]
    window_s = situation.spec.autoscaling.behavior.scale_down.stabilization_s
    since, least = situation.now - AVOID_WINDOWS * window_s, 1
    for removal, return_ in pairwise(changes):
        before = explain.read_input(removal, "demandPeak") or 0.0
        after = explain.read_input(return_, "demandPeak")
        if after is None:  # not for the load: bounds, a schedule, the fallback
            continue
        taken_back = removal.reason == Reason.LOAD_FELL and return_.to > return_.from_ >= removal.to
        same = after <= SAME_DEMAND[1] * before and after <= SAME_DEMAND[1] * situation.peak
        if taken_back and same and return_.at >= since:
            least = max(least, return_.from_ + 1)
    return least


def is_growth_futile(situation: Situation) -> bool:
    """Return whether replicas were added for latency, which is as bad as before at no more load."""
    change = _last_latency_growth(situation)
    if change is None or not situation.is_breached or not situation.latency:
        return False
    if not situation.is_measured or situation.fleet.unready:
        return False
    latency_ms = explain.read_input(change, "finalLatencyMs") or 0.0
    demand = explain.read_input(change, "demand") or 0.0
    same_load = situation.known.demand <= LITTLE_MORE * demand
    return same_load and 1000 * situation.latency.final_s >= HELPED_RATIO * latency_ms


def _made_worse(situation: Situation, change: Change) -> bool:
    demand = explain.read_input(change, "demand") or 0.0
    demand_ratio = situation.known.demand / demand if demand else 0.0
    if demand_ratio < SAME_DEMAND[0]:
        return False
    latency_ms = explain.read_input(change, "finalLatencyMs")
    latency, is_up = situation.latency, change.to > change.from_
    most_ratio = LITTLE_MORE if is_up and situation.waits_in_queue else SAME_DEMAND[1]
    if latency and latency_ms and latency.is_missed and demand_ratio <= most_ratio:
        return 1000 * latency.final_s > WORSE_LATENCY_RATIO * latency_ms
    if not is_up or demand_ratio < LITTLE_LESS:
        return False
    return _compare_cost(situation, change) > WORSE_COST_RATIO


def _compare_cost(situation: Situation, change: Change) -> float:
    """Return the cost of audio over that before a change, 1 if unknown.

    Where there is a CPU limit its use tells; batches take longer there the nearer the limit is.
    """
    for name, cost in (("cpuCostMs", situation.cpu_cost), ("costMs", situation.cost)):
        before_ms = explain.read_input(change, name)
        if cost and before_ms:
            return 1000 * cost / before_ms
    return 1.0


def _was_too_large(change: Change) -> bool:
    rolled_back = change.reason == Reason.BATCH_ROLLED_BACK and change.to < change.from_
    return rolled_back or change.reason == Reason.BATCH_TOO_LARGE


def _recent(situation: Situation) -> list[Change]:
    span_s = AVOID_INTERVALS * situation.spec.autoscaling.behavior.batch.interval_s
    return [
        change
        for change in situation.memory.changes
        if change.knob == "batchSize" and change.at >= situation.now - span_s
    ]


def _last_latency_growth(situation: Situation) -> Change | None:
    last = situation.memory.last_change("replicas")
    return last if last and last.reason == Reason.LATENCY_ABOVE_OBJECTIVE else None
