"""Draws latency against sessions, and where the time went in the last trial that holds."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr_server.bench.report import Row

COLOURS = {"p50": "#7fb3d5", "p95": "#1f618d", "p99": "#aab7b8"}


def draw(path: Path, rows: Sequence[Row], objective_s: float, title: str) -> None:
    """Write a picture; needs matplotlib. Raises OSError and ValueError (a suffix it cannot)."""
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: row.trial.sessions)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_latencies(left, ordered, objective_s)
    _draw_stages(right, ordered)
    figure.suptitle(textwrap.fill(title, 110), fontsize=9)
    figure.savefig(path, dpi=110)


def _draw_latencies(axes: Any, rows: Sequence[Row], objective_s: float) -> None:
    sessions = [row.trial.sessions for row in rows]
    curves = {
        "p50": [row.trial.p50_s for row in rows],
        "p95": [row.trial.p95_s for row in rows],
        "p99": [row.trial.p99_s for row in rows],
    }
    for name, values in curves.items():
        shown = [1000 * s if s is not None and math.isfinite(s) else math.nan for s in values]
        axes.plot(sessions, shown, marker="o", label=name, color=COLOURS[name])
    axes.axhline(1000 * objective_s, color="#c0392b", linewidth=1, label="objective (p95)")
    axes.set(xlabel="sessions", ylabel="latency of finals, ms", yscale="log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)


def _draw_stages(axes: Any, rows: Sequence[Row]) -> None:
    good = [row for row in rows if not row.faults] or list(rows)
    found = good[-1].breakdown
    if found is None:
        axes.text(0.5, 0.5, "no --metrics-url:\nno breakdown", ha="center", va="center")
        axes.set_axis_off()
        return
    bars = {stage.name: 1000 * (stage.item_mean_s or 0.0) for stage in found.stages}
    axes.barh(list(bars), list(bars.values()), color=COLOURS["p95"])
    axes.set(xlabel=f"ms per item, waiting included, at {good[-1].trial.sessions} sessions")
