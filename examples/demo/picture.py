"""The picture of a load: what came, how late the finals were, and what the operator made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from loop import Run

BLUE, ORANGE, GREY = "#1f6fb4", "#d1622b", "#888888"


def draw(run: "Run", objective_ms: int, path: Path) -> None:
    """Draw four panels over the same time, with a line at each change."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[2, 3, 2, 2])
    time_s = column(run, "at_s")
    sessions, latency, batch, servers = panels
    sessions.fill_between(time_s, column(run, "sessions"), color=BLUE, alpha=0.3)
    sessions.set_ylabel("open sessions")
    latency.plot(time_s, column(run, "p95_ms"), color=BLUE, label="p95 of finals, last 5 s")
    wait_ms = [1000 * seconds for seconds in column(run, "wait_s")]
    latency.plot(time_s, wait_ms, color=GREY, label="p95 of the wait for a batch")
    latency.axhline(objective_ms, color=ORANGE, linestyle="--", label="objective")
    latency.set_ylabel("milliseconds")
    batch.step(time_s, column(run, "limit"), color=BLUE, where="post", label="limit")
    batch.plot(time_s, column(run, "mean_batch"), color=GREY, label="mean batch")
    batch.set_ylabel("batch size")
    servers.step(time_s, column(run, "ready"), color=BLUE, where="post", label="ready servers")
    servers.plot(time_s, column(run, "cpu"), color=GREY, label="use of their CPU limit")
    servers.set_ylabel("servers")
    servers.set_xlabel("seconds")
    for change in run.seen.changes:
        panel = batch if change.knob == "batchSize" else servers
        panel.axvline(run.at_s(change), color=ORANGE, alpha=0.5, linewidth=1)
    for panel in panels:
        panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
        panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.set_xlim(0, time_s[-1])
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        if panel is not sessions:
            panel.legend(loc="upper left", frameon=False)
    figure.suptitle("A load that rises and falls, and what the operator made of it")
    figure.savefig(path, dpi=120)


def column(run: "Run", name: str) -> list[Any]:
    """Return one column of the table; what is unknown leaves a gap."""
    return [float("nan") if row[name] is None else row[name] for row in run.rows]
