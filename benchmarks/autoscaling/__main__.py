"""Measure the autoscaler in simulation, against other rules and two oracles.

    python -m benchmarks.autoscaling [--seeds 30] [--loads conv,step] [--policies ours] [--quick]
    python -m benchmarks.autoscaling --tune

Prints a table for each load, and writes benchmarks/results/autoscaling.json and tables and pictures
of README.md. --quick is 3 seeds without sweeps; with it, or with a choice of loads or policies,
nothing is written. --tune searches the settings of the other rules again (tuned.json).
A run that was ended goes on where it was when it is started again, as long as the code is the same:
build/autoscaling/runs.jsonl keeps what is done.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.autoscaling import pictures, report, tuning
from benchmarks.autoscaling.contest import BASELINES, OURS, RULES, Settings
from benchmarks.autoscaling.journal import Journal
from benchmarks.autoscaling.loads import LOADS
from benchmarks.autoscaling.measure import Figures, summarize
from benchmarks.autoscaling.report import Point
from benchmarks.autoscaling.running import Job, run_all
from benchmarks.conditions import describe_conditions

RESULT = Path(__file__).parents[1] / "results" / "autoscaling.json"
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- tables: written by the benchmark -->", "<!-- end of tables -->"
SEEDS, SWEEP_SEEDS, QUICK_SEEDS = 30, 5, 3
DEFAULTS, SWEEP = " (defaults)", " sweep "


def main() -> None:
    """Run the benchmark."""
    given = build_parser().parse_args()
    if given.tune:
        tuning.tune(Progress("tuning", len(list(tuning.list_jobs()))))
        return
    seeds = given.quick or given.seeds
    loads, policies = given.loads or list(LOADS), given.policies or list(RULES)
    is_whole = not (given.quick or given.loads or given.policies)
    began, conditions = time.monotonic(), describe_conditions(os.getloadavg()[0])
    jobs = list(plan(loads, policies, seeds, sweeps=0 if given.quick else given.sweeps))
    journal = Journal()
    before = len(journal.runs)
    runs = run_missing(jobs, journal)
    result = conclude(runs, policies) | describe_run(jobs, time.monotonic() - began) | conditions
    result["runs_before"] = before
    text = render(result)
    sys.stdout.write(f"{text}\n")
    if is_whole:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        write_tables(text)
        pictures.draw_all(result, README.parent)


def run_missing(jobs: Sequence[Job], journal: Journal) -> dict[str, dict[str, list[Figures]]]:
    """Run what the journal lacks; return the figures by load and entry, ordered by seed."""
    missing = [left for job in jobs if (left := journal.leave_out_done(job)).entries]
    if len(missing) < len(jobs):
        done = len(jobs) - len(missing)
        sys.stderr.write(
            f"{done} of {len(jobs)} runs were done before; {journal.path} keeps them\n"
        )
    for job, figures in run_all(missing, Progress("runs", len(missing))) if missing else ():
        journal.add(job, figures)
    runs: dict[str, dict[str, list[Figures]]] = {job.load: {} for job in jobs}
    for job in sorted(jobs, key=lambda job: job.seed):
        for name, _, _ in job.entries:
            runs[job.load].setdefault(name, []).append(journal.runs[job.load, name, job.seed])
    return runs


def plan(loads: Sequence[str], policies: Sequence[str], seeds: int, sweeps: int) -> Iterator[Job]:
    """Yield a job for each seed and load, the long ones first."""
    tuned = tuning.load_tuned()
    for name in sorted(loads, key=lambda name: -LOADS[name].duration_s):
        entries = tuple(list_entries(name, policies, tuned))
        more = tuple(list_sweeps(entries))
        for seed in range(seeds):
            yield Job(name, seed, entries + (more if seed < sweeps else ()))


def list_entries(
    load: str, policies: Sequence[str], tuned: tuning.Tuned
) -> Iterator[tuple[str, str, Settings]]:
    """Yield who takes part: each baseline as it was tuned and at its defaults."""
    for name in policies:
        if name == "ours":
            yield name, name, OURS.defaults
        elif name == "oracle_future":
            yield name, name, tuned[name][load]
        else:
            yield name, name, tuned[LOADS[load].profile][name]
        if name in BASELINES:
            yield name + DEFAULTS, name, BASELINES[name].defaults


def list_sweeps(
    entries: Sequence[tuple[str, str, Settings]],
) -> Iterator[tuple[str, str, Settings]]:
    """Yield more careful and bolder settings of ours and of the tuned baselines."""
    for name, rule, settings in entries:
        if name == "ours" or name in BASELINES:
            for place, varied in enumerate(RULES[rule].sweep(settings)):
                yield f"{name}{SWEEP}{place}", rule, varied


def conclude(runs: dict[str, dict[str, list[Figures]]], policies: Sequence[str]) -> dict[str, Any]:
    """Return means and intervals, equal violations, and the goals."""
    loads = {
        load: {name: summarize(each) for name, each in found.items() if SWEEP not in name}
        for load, found in runs.items()
    }
    result: dict[str, Any] = {"loads": loads}
    if {"ours", "oracle_future", "oracle_now"} <= set(policies):
        result["goals"] = report.judge_goals(loads)
        result["equal_violations"] = {
            load: report.compare_equal(loads[load], find_points(found))
            for load, found in runs.items()
        }
    return result


def find_points(found: dict[str, list[Figures]]) -> dict[str, list[Point]]:
    """Return the points of each policy's sweep, over the seeds that were swept."""
    points: dict[str, list[Point]] = {}
    fewest = min(len(figures) for figures in found.values())  # those that were swept too
    for name, figures in found.items():
        rule = name.split(SWEEP)[0]
        if rule in RULES:
            some = summarize(figures[:fewest])
            point = cast(Point, (some["violation_ratio"], some["gpu_hours"]))
            points.setdefault(rule, []).append(point)
    return points


def render(result: dict[str, Any]) -> str:
    """Return the whole report in Markdown."""
    parts = []
    if "goals" in result:
        parts.append(report.render_goals(result["goals"], result["equal_violations"]))
    parts += [report.render_load(name, found) for name, found in result["loads"].items()]
    return "\n\n".join(parts)


def describe_run(jobs: Sequence[Job], took_s: float) -> dict[str, Any]:
    """Return which seeds there were, those with a sweep apart, and how long it took."""
    swept = {job.seed for job in jobs if any(SWEEP in name for name, _, _ in job.entries)}
    return {
        "seeds": sorted({job.seed for job in jobs}),
        "swept_seeds": sorted(swept),
        "took_s": round(took_s),
    }


def write_tables(text: str) -> None:
    """Replace the tables of README.md."""
    page = README.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


class Progress:
    """Says how far it is, on one line of the terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total

    def __call__(self, count: int) -> None:
        """Say that so many are done."""
        sys.stderr.write(f"\r{self._what}: {count} of {self._total}")
        sys.stderr.write("\n" if count == self._total else "")
        sys.stderr.flush()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.autoscaling", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--loads", type=_names(LOADS), help="some of: " + ", ".join(LOADS))
    parser.add_argument("--policies", type=_names(RULES), help="some of: " + ", ".join(RULES))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many (default %(default)s)")
    parser.add_argument(
        "--sweeps",
        type=int,
        default=SWEEP_SEEDS,
        help="seeds with more careful and bolder settings too (default %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_const", const=QUICK_SEEDS, dest="quick", help="3 seeds, no sweeps"
    )
    parser.add_argument("--tune", action="store_true", help="search settings, and stop")
    return parser


def _names(known: dict[str, Any]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown)}: unknown; there are {', '.join(known)}"
            )
        return names

    return parse


if __name__ == "__main__":
    main()
