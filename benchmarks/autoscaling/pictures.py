"""Pictures of the results: what late finals cost, and one run of our policy on `conv`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from asr_operator.simulation import columns
from benchmarks.autoscaling import compiled, oracles
from benchmarks.autoscaling.contest import BASELINES, OURS, RULES, Stage
from benchmarks.autoscaling.loads import LOADS, OBJECTIVE_S

COLOURS = {"ours": "#d1622b", "oracle_future": "#222222", "oracle_now": "#888888"}
PALETTE = ("#1f6fb4", "#3a9d5d", "#8c5fb0", "#c2a11f", "#4fb3bf", "#b05f7f", "#6b6b2f")
LEAST = 1e-4


def draw_all(result: dict[str, Any], folder: Path) -> None:
    """Draw all pictures."""
    draw_costs(result["loads"], folder / "costs.png")
    draw_run("conv", folder / "conv.png")


def draw_costs(loads: dict[str, Any], path: Path) -> None:
    """Draw a panel for each load: GPU-hours against late finals, nearer to the corner is better."""
    colours = COLOURS | dict(zip(BASELINES, PALETTE, strict=False))
    figure = Figure(figsize=(12, 10), layout="constrained")
    rows = -(-len(loads) // 4)
    panels = list(figure.subplots(rows, 4).flat)
    for panel, (name, found) in zip(panels, loads.items(), strict=False):
        for policy, summary in found.items():
            if policy in colours:
                late = max(LEAST, summary["violation_ratio"])
                mark = "*" if policy == "ours" else "o"
                panel.scatter(
                    summary["gpu_hours"], late, color=colours[policy], marker=mark, label=policy
                )
        panel.set_title(name, fontsize=9)
        panel.set_yscale("log")
        panel.axhline(0.01, color="#cccccc", linewidth=1)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(loads) :]:
        panel.set_visible(False)
    figure.supxlabel("GPU-hours")
    figure.supylabel("share of finals over the objective")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


def draw_run(name: str, path: Path) -> None:
    """Draw one run of our policy: speech, late finals, pods and batch size over time."""
    compiled.compile_kernel()
    workload, scenario = LOADS[name].build(0)
    outcome = compiled.simulate(
        scenario, RULES["ours"].make(OURS.defaults, Stage(workload, scenario.profile))
    )
    rates = oracles.mean_of(oracles.rate_by_second(workload), 15, centred=True)
    at = [row.at for row in outcome.rows]
    late = np.diff([row.counters[columns.LATE] for row in outcome.rows], prepend=0.0)
    figure = Figure(figsize=(9, 7), layout="constrained")
    speech, finals, pods, batch = figure.subplots(4, 1, sharex=True)
    speech.plot(rates, color="#1f6fb4", linewidth=1)
    speech.set_ylabel("audio s per s")
    finals.step(at, late, color="#d1622b", where="pre")
    finals.set_ylabel(f"late (> {OBJECTIVE_S:g} s)")
    pods.step(at, [row.desired for row in outcome.rows], color="#888888", where="post")
    pods.step(at, [row.ready for row in outcome.rows], color="#1f6fb4", where="post")
    pods.set_ylabel("pods: wanted, ready")
    batch.step(at, [row.batch_size for row in outcome.rows], color="#1f6fb4", where="post")
    batch.set_ylabel("batch size")
    batch.set_xlabel("seconds")
    for panel in (speech, finals, pods, batch):
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
