"""Windows of the week in which other bounds hold, as data; and the bounds in force at a moment.

When a window begins and ends is decided by `asr_operator.autoscaler.schedule`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from asr_operator.api.fields import FieldError, Section

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A window from one time of day to another, `HH:MM`, on the days on which it begins.

    None as a bound leaves that bound as it is.
    """

    name: str
    from_: str
    to: str
    time_zone: str = "UTC"
    days: tuple[str, ...] = DAYS
    min_replicas: int | None = None
    max_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds in force; `schedules` are the windows in force, by name.

    `limiting` is the window that `max_replicas` comes from, None if it is the spec's own. `until`
    is when a window begins or ends next, in Unix seconds, None if none ever does.
    """

    min_replicas: int
    max_replicas: int
    schedules: tuple[str, ...] = ()
    limiting: str | None = None
    until: float | None = None


def parse_schedules(
    listed: Iterable[Section], min_replicas: int, max_replicas: int
) -> tuple[Schedule, ...]:
    """Read spec.autoscaling.schedules; raise `FieldError` for one that cannot be used.

    What a window leaves out is one of the bounds given, which must fit to what it has.
    """
    parsed: list[Schedule] = []
    for each in listed:
        schedule = _parse_schedule(each)
        if any(schedule.name == other.name for other in parsed):
            raise FieldError(f"{each.path}.name: there is another one called {schedule.name}")
        least, most = schedule.min_replicas or min_replicas, schedule.max_replicas or max_replicas
        if least > most:
            raise FieldError(
                f"{each.path}: minReplicas must not exceed maxReplicas; a bound that a schedule"
                " leaves out is that of spec.autoscaling"
            )
        parsed.append(schedule)
    return tuple(parsed)


def _parse_schedule(section: Section) -> Schedule:
    if not section.has("minReplicas") and not section.has("maxReplicas"):
        raise FieldError(f"{section.path}: set minReplicas, maxReplicas or both")
    days = section.texts("days", DAYS)
    unknown = [day for day in days if day not in DAYS]
    if unknown or not days:
        raise FieldError(f"{section.path}.days must be of {', '.join(DAYS)}")
    return Schedule(
        name=section.text("name"),
        from_=_parse_time_of_day(section, "from"),
        to=_parse_time_of_day(section, "to"),
        time_zone=_parse_time_zone(section),
        days=days,
        min_replicas=_parse_bound(section, "minReplicas"),
        max_replicas=_parse_bound(section, "maxReplicas"),
    )


def _parse_time_of_day(section: Section, key: str) -> str:
    text = section.text(key)
    if not TIME_OF_DAY.fullmatch(text):
        raise FieldError(f'{section.path}.{key} must be a time of day such as "08:30"')
    return text


def _parse_time_zone(section: Section) -> str:
    name = section.text("timeZone", "UTC")
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise FieldError(
            f"{section.path}.timeZone must be the IANA name of a time zone, such as Europe/Berlin"
        ) from None
    return name


def _parse_bound(section: Section, key: str) -> int | None:
    if not section.has(key):
        return None
    bound = section.integer(key, 0)
    if bound == 0:
        raise FieldError(f"{section.path}.{key} must be at least 1")
    return bound
