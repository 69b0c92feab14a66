"""What the runs say: the table of each load, equal violations, and whether goals were met. Pure."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.autoscaling.contest import BASELINES
from benchmarks.autoscaling.loads import LOADS

Summary = Mapping[str, Any]
Point = tuple[float, float]
"""Violations and GPU-hours."""

MOST_VIOLATIONS, MOST_HOURS_RATIO = 0.01, 1.15
MOST_LATER_RATIO = 1.2
LEAST_SAVED = 0.30
LEAST_COMPARED = 0.001  # of finals; fewer are not told apart


def hours_at(points: Sequence[Point], violations: float) -> float | None:
    """Return the fewest GPU-hours at so many violations, between the points of a sweep.

    Interpolated between neighbours of the lower envelope, logarithmically in violations; None where
    no setting has so few.
    """
    floor = 1e-5
    envelope: list[Point] = []
    for late, hours in sorted((max(floor, late), hours) for late, hours in points):
        if not envelope or hours < envelope[-1][1]:
            envelope.append((late, hours))
    wanted = max(floor, violations)
    if not envelope or wanted < envelope[0][0]:
        return None
    for (late, hours), (later, fewer) in pairwise(envelope):
        if wanted < later:
            share = math.log(wanted / late) / math.log(later / late)
            return hours + share * (fewer - hours)
    return envelope[-1][1]


def compare_equal(load: Mapping[str, Summary], sweeps: Mapping[str, Sequence[Point]]) -> Summary:
    """Return what ours and the cheapest tuned baseline cost at the violations of ours."""
    late = max(LEAST_COMPARED, load["ours"]["violation_ratio"])
    own = (load["ours"]["violation_ratio"], load["ours"]["gpu_hours"])
    ours = hours_at([*sweeps.get("ours", ()), own], late)
    costs = {name: hours_at(sweeps.get(name, ()), late) for name in BASELINES}
    known = {name: hours for name, hours in costs.items() if hours is not None}
    best = min(known, key=lambda name: known[name], default=None)
    saved = 1 - ours / known[best] if best and ours else None
    return {
        "violation_ratio": late,
        "ours_gpu_hours": ours,
        "best_baseline": best,
        "best_baseline_gpu_hours": known.get(best or ""),
        "saved_ratio": saved,
        "baselines_gpu_hours": costs,
    }


def judge_goals(loads: Mapping[str, Mapping[str, Summary]]) -> dict[str, Summary]:
    """Return for each load its goal, what was measured, and whether it was met."""
    goals: dict[str, Summary] = {}
    for name, found in loads.items():
        ours = found["ours"]
        if LOADS[name].is_predictable:
            ratio = ours["gpu_hours"] / found["oracle_future"]["gpu_hours"]
            goals[name] = {
                "goal": "violations <= 1 % at <= 1.15 x the GPU-hours of oracle_future",
                "violation_ratio": ours["violation_ratio"],
                "gpu_hours_ratio": ratio,
                "met": ours["violation_ratio"] <= MOST_VIOLATIONS and ratio <= MOST_HOURS_RATIO,
            }
            continue
        others = found["oracle_now"]["violation_ratio"]
        late = ours["violation_ratio"]
        goals[name] = {
            "goal": "<= 1.2 x the violations of oracle_now",
            "violation_ratio": late,
            "oracle_now_violation_ratio": others,
            "met": late <= max(LEAST_COMPARED, MOST_LATER_RATIO * others),
        }
    return goals


def render_load(name: str, found: Mapping[str, Summary]) -> str:
    """Return the table of one load in Markdown."""
    lines = [
        f"### {name}",
        "",
        "| policy | finals over the objective | GPU-hours | changes per hour | moved | dropped"
        " | longest breach |",
        "|---|---|---|---|---|---|---|",
    ]
    for policy, summary in found.items():
        late, hours = summary["violation_ratio"], summary["gpu_hours"]
        lines.append(
            f"| {policy} | {100 * late:.2f} % {_percent(summary['violation_ratio_interval'])}"
            f" | {hours:.2f} {_plain(summary['gpu_hours_interval'])}"
            f" | {summary['changes']:.0f} | {summary['moved_sessions']:.0f}"
            f" | {summary['dropped_sessions']:.0f} | {summary['recovery_s']:.0f} s |"
        )
    return "\n".join(lines)


def render_goals(goals: Mapping[str, Summary], equal: Mapping[str, Summary]) -> str:
    """Return in Markdown which goals were met."""
    lines = ["| load | goal | measured | met |", "|---|---|---|---|"]
    for name, goal in goals.items():
        if "gpu_hours_ratio" in goal:
            told = f"{100 * goal['violation_ratio']:.2f} % at {goal['gpu_hours_ratio']:.2f} x"
        else:
            told = (
                f"{100 * goal['violation_ratio']:.2f} % against"
                f" {100 * goal['oracle_now_violation_ratio']:.2f} %"
            )
        lines.append(f"| {name} | {goal['goal']} | {told} | {'yes' if goal['met'] else 'no'} |")
    lines += [
        "",
        "| load | at violations of | ours, GPU-hours | best tuned baseline |"
        " its GPU-hours | saved |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in equal.items():
        lines.append(_render_equal(name, each))
    return "\n".join(lines)


def _render_equal(name: str, each: Summary) -> str:
    late = f"{100 * each['violation_ratio']:.2f} %"
    hours = f"{each['ours_gpu_hours']:.2f}" if each["ours_gpu_hours"] is not None else "-"
    if each["best_baseline"] is None:
        return f"| {name} | {late} | {hours} | none gets there | - | - |"
    saved = each["saved_ratio"]
    return (
        f"| {name} | {late} | {hours} | {each['best_baseline']}"
        f" | {each['best_baseline_gpu_hours']:.2f}"
        f" | {f'{100 * saved:.0f} %' if saved is not None else '-'} |"
    )


def _percent(interval: Sequence[float]) -> str:
    return f"({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def _plain(interval: Sequence[float]) -> str:
    return f"({interval[0]:.2f} to {interval[1]:.2f})"
