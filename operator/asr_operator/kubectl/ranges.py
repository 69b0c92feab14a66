"""Moments and ranges of time as users write them, and the token of a Prometheus."""

import re
from datetime import UTC, datetime
from pathlib import Path

from asr_operator.kubectl.failure import PluginError
from asr_operator.kubectl.recording import Span

UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86400.0}
LENGTH = re.compile(r"(\d+(?:\.\d+)?)([mhd])")
LONGEST_S = 7 * 86400.0


class RangeError(PluginError):
    """What cannot be read as a time or a token; the message says what is expected."""


def parse_range(text: str, now: datetime) -> Span:
    """Read `6h` (up to now) or `BEGIN/END` in ISO 8601; raise `RangeError`."""
    found = LENGTH.fullmatch(text)
    if found is not None:
        end = now.timestamp()
        span = Span(end - float(found[1]) * UNITS_S[found[2]], end)
    elif text.count("/") == 1:
        begin, _, end_text = text.partition("/")
        span = Span(parse_moment(begin, now), parse_moment(end_text, now))
    else:
        raise RangeError(f"{text!r} is no range: write 6h, 90m, 2d, or BEGIN/END in ISO 8601.")
    if not 300 <= span.end - span.begin <= LONGEST_S:
        raise RangeError(f"{text!r} must end after it begins, and be 5 minutes to 7 days long.")
    return span


def parse_moment(text: str, now: datetime) -> float:
    """Read a moment in ISO 8601, UTC where it names no zone; raise `RangeError`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        example = now.astimezone(UTC).strftime("%Y-%m-%dT08:00+01:00")
        raise RangeError(f"{text!r} is no moment in ISO 8601, such as {example}.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_token(path: str | None) -> str | None:
    """Return the token in a file, None without one; raise `RangeError`."""
    if path is None:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RangeError(f"{path} cannot be read: {error}") from None
