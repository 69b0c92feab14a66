"""What came of a simulation, in sentences, as a table, and as the panels of a picture. Pure."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr_operator.api.spec import AsrServiceSpec
from asr_operator.autoscaler import explain
from asr_operator.kubectl import page, phrases
from asr_operator.kubectl.page import Entry
from asr_operator.kubectl.picture import Line, Panel
from asr_operator.simulation import columns
from asr_operator.simulation.run import Outcome, Row
from asr_operator.state import quantiles

MOST_ROWS = 24
MOST_CHANGES = 12
HEADINGS = ("time", "audio/s", "sessions", "replicas", "ready", "batch", "latency", "late")


@dataclass(frozen=True, slots=True)
class Told:
    """What was simulated, in the user's words: its title and the entries before the result."""

    title: str
    entries: tuple[Entry, ...]
    began_at: float


@dataclass(frozen=True, slots=True)
class Slice:
    """What happened between two scrapes; `latency_s` is None without finals."""

    at_s: float
    audio_ratio: float
    latency_s: float | None
    late_ratio: float
    end: Row


def render_outcome(told: Told, spec: AsrServiceSpec, outcome: Outcome, width: int) -> str:
    """Return all there is to say of a simulation."""
    entries = [
        *told.entries,
        Entry("result", describe_result(spec, outcome)),
        Entry("size", describe_size(outcome)),
        *_list_changes(told, outcome),
    ]
    quantile = spec.objectives.quantile_ratio
    table = render_table(cut(outcome.rows, MOST_ROWS, quantile))
    return f"{page.render_page(told.title, entries, width)}\n\n{table}"


def describe_result(spec: AsrServiceSpec, outcome: Outcome) -> str:
    """Return how late finals were, and what was lost."""
    objective, counters = spec.objectives, outcome.counters
    due = round(counters[columns.FINALS] + counters[columns.UNANSWERED])
    if not due:
        return "No utterance ended in that time."
    allowed = 1 - objective.quantile_ratio
    verdict = "met" if outcome.violation_ratio <= allowed else "missed"
    lost = round(counters[columns.DROPPED])
    moved = round(counters[columns.MOVED])
    return (
        f"{100 * outcome.violation_ratio:.2f} % of {due} finals came later than"
        f" {objective.final_latency_ms} ms; over the whole time the objective for"
        f" {objective.quantile}, at most {100 * allowed:.3g} %, is {verdict}."
        f" {phrases.render_count(round(counters[columns.REFUSED]), 'refusal')},"
        f" {phrases.render_count(lost, 'session')} that gave up, {moved} that moved to another pod."
    )


def describe_size(outcome: Outcome) -> str:
    """Return how many replicas, and how large batches there were."""
    rows = outcome.rows
    if not rows:
        return "Nothing was scraped in that time."
    replicas = [row.desired for row in rows]
    sizes = [row.batch_size for row in rows]
    hours = outcome.duration_s / 3600
    pod_hours = outcome.pods_s / 3600
    return (
        f"{min(replicas)} to {max(replicas)} replicas, {pod_hours:.2f} pod-hours in {hours:.2f} h"
        f" (mean {pod_hours / hours:.2f}); batch size {min(sizes)} to {max(sizes)};"
        f" {phrases.render_count(outcome.changed, 'change')}."
    )


def cut(rows: Sequence[Row], most: int, quantile: float) -> list[Slice]:
    """Return the time in at most so many slices of equal length, by the scrapes there were."""
    count = min(most, len(rows) - 1)
    if count < 1:
        return []
    places = [round(number * (len(rows) - 1) / count) for number in range(count + 1)]
    pairs = itertools.pairwise(places)
    return [_measure(rows[first], rows[last], quantile) for first, last in pairs]


def render_table(slices: Sequence[Slice]) -> str:
    """Return a table of slices, one a line; replicas are those at the end of a slice."""
    lines = [HEADINGS]
    for each in slices:
        latency = "-" if each.latency_s is None else f"{1000 * each.latency_s:.0f} ms"
        lines.append(
            (
                render_clock(each.at_s),
                f"{each.audio_ratio:.1f}",
                str(each.end.sessions),
                str(each.end.desired),
                str(each.end.ready),
                str(each.end.batch_size),
                latency,
                f"{100 * each.late_ratio:.1f} %",
            )
        )
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def list_panels(rows: Sequence[Row], quantile: float) -> tuple[list[float], list[Panel]]:
    """Return the hours and the panels of the picture."""
    slices = cut(rows, 400, quantile)
    return [each.at_s / 3600 for each in slices], [
        Panel(
            "load",
            (
                Line("sessions", [float(each.end.sessions) for each in slices]),
                Line("audio seconds/s", [each.audio_ratio for each in slices]),
            ),
        ),
        Panel(
            "replicas",
            (
                Line("ready", [float(each.end.ready) for each in slices], steps=True),
                Line("asked for", [float(each.end.desired) for each in slices], steps=True),
            ),
        ),
        Panel(
            "batch size",
            (Line("at most", [float(each.end.batch_size) for each in slices], steps=True),),
        ),
        Panel("late finals, %", (Line("late", [100 * each.late_ratio for each in slices]),)),
    ]


def render_clock(seconds: float) -> str:
    """Return a time since the beginning, as hours and minutes and, if any, seconds."""
    minutes, rest = divmod(round(seconds), 60)
    text = f"{minutes // 60}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text


def _list_changes(told: Told, outcome: Outcome) -> Iterator[Entry]:
    shown = outcome.changes[:MOST_CHANGES]
    for change in shown:
        clock = f"at {render_clock(change.at - told.began_at)}"
        yield Entry(clock, explain.describe_change(change))
    if len(outcome.changes) > len(shown):
        yield Entry("later", f"{len(outcome.changes) - len(shown)} more changes.")


def _measure(first: Row, last: Row, quantile: float) -> Slice:
    gained = [new - old for old, new in zip(first.counters, last.counters, strict=True)]
    begin, total = columns.LATENCIES, 0.0
    buckets = []
    bounds = (*columns.LATENCY_BOUNDS_S, float("inf"))
    for bound, count in zip(bounds, gained[begin:], strict=False):
        total += count
        buckets.append((bound, total))
    due = gained[columns.FINALS] + gained[columns.UNANSWERED]
    return Slice(
        at_s=last.at,
        audio_ratio=gained[columns.AUDIO] / (last.at - first.at),
        latency_s=quantiles.compute_quantile(quantile, buckets),
        late_ratio=gained[columns.LATE] / due if due else 0.0,
        end=last,
    )
