"""Figures and their goals, and the table that shows them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BEGIN, END = "<!-- make bench writes below -->", "<!-- make bench writes above -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; None where it could not be measured, and then `detail` says why."""

    name: str
    value: float | None
    unit: str
    detail: str
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach."""

    what: str
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        """Tell whether a value reaches it."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else "-"


GOALS = {
    "files_audio_s_per_s": Goal("files, all stages, through the server"),
    "files_ratio_demo": Goal("files: the server over the best peer", at_least=5),
    "files_ratio_stock": Goal("files: the server over funasr_wss_server.py", at_least=40),
    "files_ratio_large": Goal("Paraformer-large, float32: ours over AutoModel", at_least=0.95),
    "files_ratio_large_bfloat16": Goal(
        "Paraformer-large: our bfloat16 over AutoModel's float32", at_least=2
    ),
    "sessions_within_500_ms": Goal("live 2pass sessions within 500 ms (p95)", at_least=120),
    "sessions_ratio": Goal("sessions: the server over funasr_wss_server.py", at_least=10),
    "overload_p95_s": Goal("p95 of finals at twice the sessions that hold, s", at_most=2),
    "overload_again_p95_s": Goal(
        "p95 of finals, those let in of the same crowd again, s", at_most=2
    ),
    "batch_fill_ratio": Goal("batch fill, lognormal utterances", at_least=0.78),
    "front_cpu_percent": Goal("front CPU per live session beyond the socket's, %", at_most=0.1),
    "idle_session_kib": Goal("memory per idle session, KiB", at_most=64),
    "memory_after_10000_ratio": Goal("memory after 10,000 sessions over after 100", at_most=1.05),
    "loop_lag_p99_ms": Goal("event-loop lag p99, engine saturated, ms", at_most=50),
    "retunes_in_force": Goal("retunes in force, of 100 under load", at_least=100),
    "retune_sessions_harmed": Goal(
        "finals lost or doubled, sessions cut by 100 retunes", at_most=0
    ),
    "recovery_s": Goal("from kill -9 of the engine to ready, s"),
    "recovery_finals_harmed": Goal("finals lost or doubled by kill -9", at_most=0),
    "poison_alone": Goal("poisonous files that failed alone, of 20", at_least=20),
    "poison_finals_harmed": Goal("finals of others lost or doubled by them", at_most=0),
    "hang_recovery_s": Goal("from SIGSTOP of the engine to another one ready, s"),
    "hang_finals_harmed": Goal("finals lost or doubled by an engine that hangs", at_most=0),
    "memory_failures": Goal("batches that ran out of memory", at_least=1),
    "memory_finals_harmed": Goal("finals lost or doubled for want of memory", at_most=0),
    "fair_p95_ratio": Goal("p95 of live finals with an hour-long file over without", at_most=1.5),
    "fair_short_files_s": Goal("20 short files beside an hour-long one: the last answered, s"),
    "fair_hour_s": Goal("the hour-long file itself, s"),
}


def merge(known: Mapping[str, Any], found: Sequence[Figure], about: Mapping[str, Any]) -> Any:
    """Return the results of earlier runs with those of this one in their place."""
    figures = dict(known.get("figures", {}))
    for figure in found:
        figures[figure.name] = {
            "value": None if figure.value is None else float(f"{figure.value:.4g}"),
            "unit": figure.unit,
            "goal": str(GOALS[figure.name]),
            "met": None if figure.value is None else GOALS[figure.name].is_met(figure.value),
            "detail": figure.detail,
            **about,
            "raw": dict(figure.raw),
        }
    return {"figures": {name: figures[name] for name in GOALS if name in figures}}


def render_table(results: Mapping[str, Any]) -> str:
    """Return the table of README.md."""
    heads = ("what", "measured", "goal", "met", "how", "when (UTC), commit, load before the run")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, row in results["figures"].items():
        value = "not measured" if row["value"] is None else f"{row['value']:g} {row['unit']}"
        met = {True: "yes", False: "**no**", None: "-"}[row["met"]]
        met = met if row["goal"] != "-" else "-"
        load = row["machine"]["load_average_before"]
        when = f"{row['date'][:16].replace('T', ' ')}, {row['commit']}, {load:g}"
        cells = (GOALS[name].what, value.strip(), row["goal"], met, row["detail"], when)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def replace_table(page: str, table: str) -> str:
    """Return a page with the table between its two marks replaced. Raises ValueError."""
    head, begun, rest = page.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        raise ValueError("the page has no place for the table")
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}"
