"""Recorded arrivals: text with a header, then a line for each session: when it begins, how much.

`start_s,audio_s` in the first line, then seconds since any moment, and seconds of audio.
"""

import math
from collections.abc import Iterable

from asr_operator.simulation.workload import Call

HEADER = ("start_s", "audio_s")
LONGEST_S = 7 * 86400.0
MOST_AUDIO_S = 86400.0


class TraceError(Exception):
    """A trace that cannot be used; the message names the line and says what is expected."""


def parse_trace(lines: Iterable[str], amount: str = HEADER[1]) -> list[Call]:
    """Read a trace whose second column is called `amount`; raise `TraceError`."""
    calls: list[Call] = []
    header = f"{HEADER[0]},{amount}"
    for number, line in enumerate(lines, start=1):
        if number == 1:
            if line.strip() != header:
                raise TraceError(f"line 1: the header must be {header}, but is {_cut(line)}")
            continue
        if not line.strip():
            raise TraceError(f"line {number}: it is empty; each line is one session: {header}")
        call = _parse_line(line, number, header)
        if calls and call.start_s < calls[-1].start_s:
            raise TraceError(
                f"line {number}: it begins at {call.start_s:g} s, before the line above"
                f" ({calls[-1].start_s:g} s); sort the trace by {HEADER[0]}"
            )
        calls.append(call)
    if not calls:
        raise TraceError(f"line 1: there is no session; give {header} and a line for each")
    if calls[-1].start_s - calls[0].start_s > LONGEST_S:
        raise TraceError(f"line {len(calls) + 1}: a trace is at most {LONGEST_S / 86400:g} days")
    return [Call(call.start_s - calls[0].start_s, call.audio_s) for call in calls]


def _parse_line(line: str, number: int, header: str) -> Call:
    fields = line.strip().split(",")
    try:
        start_s, audio_s = (float(each) for each in fields)
    except ValueError:
        raise TraceError(
            f"line {number}: two numbers are expected, {header}, but it is {_cut(line)}"
        ) from None
    if not math.isfinite(start_s) or not 0 < audio_s <= MOST_AUDIO_S:
        raise TraceError(
            f"line {number}: the first number must be finite, the second above 0 and at most"
            f" {MOST_AUDIO_S:g}, but it is {_cut(line)}"
        )
    return Call(start_s, audio_s)


def _cut(line: str) -> str:
    text = line.strip()
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
