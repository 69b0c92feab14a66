"""What of a new status is worth a write: no ignorance of a moment, and numbers alone rarely.

Rules:
1. Before the load was first asked for, after a start of the operator, nothing about it changes.
2. A change of anything but numbers is written at once, and the numbers with it.
3. Numbers are written when one of them changed by a fifth and by more than noise, at most once a
   minute.
4. The reason and message of ScalingActive, and the messages of the other conditions about the
   load, count as numbers while the status of the condition stays.
"""

from dataclasses import replace
from datetime import datetime

from asr_operator.api import status
from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.scaling_status import LoadSummary
from asr_operator.api.status import AsrServiceStatus, Condition

SHORTEST_INTERVAL_S = 60.0
LEAST_RATIO = 0.2

# What is said of the load while it was not asked for.
IGNORANT = {
    ConditionType.METRICS_AVAILABLE: Reason.NOT_SAMPLED_YET,
    ConditionType.SCALING_ACTIVE: Reason.METRICS_UNKNOWN,
    ConditionType.SCALING_LIMITED: Reason.NOT_LIMITED,
    ConditionType.BATCH_SIZE_APPLIED: Reason.NOT_SAMPLED_YET,
    ConditionType.SLO_MET: Reason.NO_FINALS,
}
NUMERIC = frozenset(
    {
        ConditionType.METRICS_AVAILABLE,
        ConditionType.SCALING_ACTIVE,
        ConditionType.SCALING_LIMITED,
        ConditionType.SLO_MET,
    }
)
# What a number must change by at least, in its unit.
NOISE = {
    "final_latency_ms": 50.0,
    "queue_wait_ms": 50.0,
    "demand": 0.2,
    "refused_per_s": 0.05,
    "engine_duty": 0.05,
    "gpu_utilization": 0.05,
}


def keep_unasked(old: AsrServiceStatus, new: AsrServiceStatus) -> AsrServiceStatus:
    """Return the new status with the old one's load when it has not been asked for yet."""
    asked = new.find(ConditionType.METRICS_AVAILABLE)
    if asked is None or asked.reason != Reason.NOT_SAMPLED_YET:
        return new
    return replace(
        new,
        conditions=tuple(_keep_condition(old.find(each.type), each) for each in new.conditions),
        applied_batch_size=old.applied_batch_size,
        sessions=old.sessions,
        load=old.load,
        recommendation=old.recommendation,
    )


def keep_numbers(old: AsrServiceStatus, new: AsrServiceStatus, now: datetime) -> AsrServiceStatus:
    """Return the status to store: the new one, or the old one when it is not worth a write."""
    if _leave_out_numbers(old) != _leave_out_numbers(new):
        return new
    if old.load is None or new.load is None:
        return old
    age_s = (now - status.parse_time(old.load.time)).total_seconds()
    if age_s < SHORTEST_INTERVAL_S or not _has_changed(old, new):
        return old
    return new


def _keep_condition(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.observed_generation != new.observed_generation:
        return new
    return old if IGNORANT.get(new.type) == new.reason else new


def _has_changed(old: AsrServiceStatus, new: AsrServiceStatus) -> bool:
    before, after = old.find(ConditionType.SCALING_ACTIVE), new.find(ConditionType.SCALING_ACTIVE)
    if before and after and before.reason != after.reason:
        return True
    return _differ(old.sessions, new.sessions, 0.0) or _has_load_changed(old.load, new.load)


def _has_load_changed(old: LoadSummary | None, new: LoadSummary | None) -> bool:
    return any(
        _differ(getattr(old, field), getattr(new, field), noise) for field, noise in NOISE.items()
    )


def _differ(old: str | float | None, new: str | float | None, noise: float) -> bool:
    if old is None or new is None:
        return old is not new
    before, after = float(old), float(new)
    return abs(after - before) > max(noise, LEAST_RATIO * max(before, after))


def _leave_out_numbers(whole: AsrServiceStatus) -> AsrServiceStatus:
    conditions = tuple(map(_leave_out_wording, whole.conditions))
    known = whole.load and LoadSummary(time="")
    return replace(whole, conditions=conditions, load=known, sessions=None)


def _leave_out_wording(condition: Condition) -> Condition:
    if condition.type not in NUMERIC:
        return condition
    if condition.type == ConditionType.SCALING_ACTIVE:
        condition = replace(condition, reason="")
    return replace(condition, message="")
