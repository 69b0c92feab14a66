"""Times, counts and inputs in words. Pure: no clock, no terminal."""

import re
from datetime import datetime

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def render_age(time: str, now: datetime) -> str:
    """Return how long ago a time of the API server was; a clock that is behind counts as now."""
    age_s = int((now - datetime.fromisoformat(time)).total_seconds())
    for unit_s, name in UNITS:
        if age_s >= 2 * unit_s or (unit_s == 1 and age_s > 0):
            return f"{age_s // unit_s} {name}"
    return "0 s"


def render_count(count: int, noun: str) -> str:
    """Return a number of things."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def render_inputs(inputs: tuple[tuple[str, str], ...]) -> str:
    """Return the inputs of a decision: queueWaitMs 12 becomes "queue wait 12 ms"."""
    return ", ".join(_render_input(name, value) for name, value in inputs)


def _render_input(name: str, value: str) -> str:
    stem, unit = (name.removesuffix("Ms"), " ms") if name.endswith("Ms") else (name, "")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", stem).lower()
    return f"{words} {value}{unit}"
