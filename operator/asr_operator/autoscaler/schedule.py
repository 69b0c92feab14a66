"""Which bounds hold at a moment: those of the spec, or of the schedules in force. No clock, no I/O.

1. A window begins at `from` on each of its days, by the clocks of its time zone, and ends at `to`:
   on the next day where `to` is not later. It holds from its first moment to just before its last.
2. A time of day that a change of the clocks leaves out is taken by the clocks before the change,
   one that comes twice is the first (RFC 5545, 3.3.5). A window that ends before it begins, by
   that, is left out on that day.
3. In force together: the highest `minReplicas`, the lowest `maxReplicas`, and the maximum is at
   least the minimum. What none of them sets is the spec's.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from asr_operator.api.autoscaling import Autoscaling, ScalingSpec
from asr_operator.api.schedules import DAYS, Bounds, Schedule

ONE_DAY = timedelta(days=1)
AHEAD_DAYS = 8  # of any window one begins within a week


def put_in_force(spec: ScalingSpec, now: float) -> ScalingSpec:
    """Return a spec with the bounds that hold at a moment, in Unix seconds, as its own."""
    if not spec.autoscaling.schedules:
        return spec
    bounds = find_bounds(spec.autoscaling, now)
    autoscaling = replace(
        spec.autoscaling, min_replicas=bounds.min_replicas, max_replicas=bounds.max_replicas
    )
    return replace(spec, autoscaling=autoscaling, bounds=bounds)


def find_bounds(autoscaling: Autoscaling, now: float) -> Bounds:
    """Return the bounds that hold at a moment, in Unix seconds."""
    in_force = [each for each in autoscaling.schedules if is_in_force(each, now)]
    floors = [(each.min_replicas, each.name) for each in in_force if each.min_replicas is not None]
    least, raising = max(floors, default=(autoscaling.min_replicas, None))
    limits = [(each.max_replicas, each.name) for each in in_force if each.max_replicas is not None]
    most, limiting = min(limits, default=(autoscaling.max_replicas, None))
    if least > most and raising is not None:
        limiting = raising
    return Bounds(
        min_replicas=least,
        max_replicas=max(least, most),
        schedules=tuple(each.name for each in in_force),
        limiting=limiting,
        until=_find_next_change(autoscaling.schedules, now),
    )


def is_in_force(schedule: Schedule, now: float) -> bool:
    """Return whether a moment, in Unix seconds, is within a window."""
    return any(begin <= now < end for begin, end in _list_spans(schedule, now, days=1))


def _find_next_change(schedules: tuple[Schedule, ...], now: float) -> float | None:
    return min(
        (
            moment
            for each in schedules
            for span in _list_spans(each, now, AHEAD_DAYS)
            for moment in span
            if moment > now
        ),
        default=None,
    )


def _list_spans(schedule: Schedule, now: float, days: int) -> Iterator[tuple[float, float]]:
    """Yield begin and end of what began lately, or begins within so many days."""
    zone = ZoneInfo(schedule.time_zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    begin, end = time.fromisoformat(schedule.from_), time.fromisoformat(schedule.to)
    # Two days back: where clocks skip a day, what began before it ends after it.
    for number in range(-2, days + 1):
        day = today + number * ONE_DAY
        if DAYS[day.weekday()] not in schedule.days:
            continue
        last = day if end > begin else day + ONE_DAY
        span = (_locate(day, begin, zone), _locate(last, end, zone))
        if span[0] < span[1]:
            yield span


def _locate(day: date, at: time, zone: ZoneInfo) -> float:
    """Return a local time in Unix seconds; `fold=0` is the rule of RFC 5545."""
    return datetime.combine(day, at, zone).timestamp()
