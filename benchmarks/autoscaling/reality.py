"""Compare what the simulation says of a load with what real servers did under it.

    python -m benchmarks.autoscaling.reality [build/demo/loop.json ...] [--seeds 5]

Each file is a record of `make demo`, or one of those in records/, which are the default; `spec` is
what the resource had otherwise. The same sessions are drawn, the same resource decides, and
service times are those of docs/demo.md, scaled by what filled one server in that very run. Prints a
table for each record; the numbers of a simulation are medians over seeds, with the range.
"""

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from asr_operator.api.spec import AsrServiceSpec, parse_spec
from asr_operator.simulation import batches, columns, run
from asr_operator.simulation.policies import Shipped
from asr_operator.simulation.profiles import Costs, Profile
from asr_operator.simulation.run import Outcome, Row, Scenario
from asr_operator.simulation.workload import LINGER_S, Workload
from asr_operator.state import quantiles
from asr_server.bench import arrivals, corpus, speech

RECORDS = Path(__file__).with_name("records")
MANIFEST = Path(__file__).parents[2] / "examples/demo/asrservice-loop.yaml"
# Seconds of a CPU for a batch and for each audio second, reading it included, padding too; measured
# with half a CPU at batch sizes 1 to 16 (docs/demo.md).
COSTS = Costs(0.0205, 0.0024, quota_ratio=0.5, padding_ratio=0.0)
UTTERANCE_S = 7.0
COLD_START_S = (8.0, 15.0)
SCRAPE_S = 2.0
SEEDS = 5
ROW_S = 5.0


def main() -> None:
    """Print the comparison of each record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.autoscaling.reality", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("records", nargs="*", type=Path, help="what `make demo` saved")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulations (%(default)s)")
    given = parser.parse_args()
    for path in given.records or sorted(RECORDS.glob("*.json")):
        try:
            record = json.loads(path.read_text())
            text = compare(record, given.seeds)
        except (OSError, ValueError, KeyError) as error:
            raise SystemExit(f"{path} is no record of `make demo`: {error!r}") from None
        sys.stdout.write(f"### {path.name}\n\n{text}\n\n")


def compare(record: dict[str, Any], seeds: int) -> str:
    """Return the table of one record in Markdown."""
    steps = record["account"]["steps"]
    bounds = [(step["begin_s"], step["end_s"]) for step in steps]
    found = [simulate(record, seed) for seed in range(seeds)]
    lines = [
        "| step | finals: measured, simulated | p95 (ms) | batch size at its end | servers |",
        "|---|---|---|---|---|",
    ]
    for step, (begin_s, end_s) in zip(steps, bounds, strict=True):
        last = _row_at(record["rows"], end_s)
        cells = [
            (step["finals"], lambda out: _finals(out, begin_s, end_s)),  # noqa: B023
            (step["p95_ms"], lambda out: _p95_ms(out, begin_s, end_s)),  # noqa: B023
            (last["limit"], lambda out: _state_at(out, end_s).batch_size),  # noqa: B023
            (last["ready"], lambda out: _state_at(out, end_s).ready),  # noqa: B023
        ]
        told = " | ".join(f"{_show(seen)}, {_spread(found, of)}" for seen, of in cells)
        lines.append(f"| {begin_s:.0f} to {end_s:.0f} s | {told} |")
    return "\n".join(lines)


def simulate(record: dict[str, Any], seed: int) -> Outcome:
    """Return what the simulation makes of the load of a record."""
    manifest = yaml.safe_load(MANIFEST.read_text())
    for section, fields in record.get("spec", {}).items():
        manifest["spec"][section] |= fields
    resource = parse_spec(manifest)
    scenario = Scenario(
        workload=draw_workload(_read_steps(record), seed),
        profile=Profile(scale_costs(record["fills_one"]), COLD_START_S, _most_sessions(resource)),
        objective_s=resource.objectives.final_latency_s,
        replicas=resource.autoscaling.min_replicas,
        batch_size=resource.batching.size,
        batch_audio_s=float(resource.batching.audio_s),
        max_wait_s=resource.batching.max_wait_ms / 1000,
        scrape_s=SCRAPE_S,
        seed=seed,
    )
    return run.simulate(scenario, Shipped(resource.scaling))


def scale_costs(fills_one: float) -> Costs:
    """Return the service times of a server that so many sessions fill with batches of one."""
    silence_s = statistics.fmean(arrivals.THINK_S)
    arriving = fills_one * UTTERANCE_S / (UTTERANCE_S + silence_s)
    factor = UTTERANCE_S / arriving / batches.mean_s(COSTS, UTTERANCE_S)
    return COSTS._replace(start_s=factor * COSTS.start_s, audio_s=factor * COSTS.audio_s)


def draw_workload(steps: Sequence[arrivals.Step], seed: int) -> Workload:
    """Return the sessions that the load of the demo would send."""
    draw = random.Random(seed)
    plans = arrivals.plan_sessions(steps, speech.Speaker(corpus.load_phrases(), seed), seed)
    said = []
    for caller, plan in enumerate(plans):
        at_s = plan.start_s
        for turn in plan.turns:
            at_s += turn.think_s + turn.utterance.duration_s
            said.append((at_s, turn.utterance.duration_s, caller))
    said.sort()
    return Workload(
        duration_s=sum(step.duration_s for step in steps),
        start_s=[plan.start_s for plan in plans],
        end_s=[plan.start_s + plan.duration_s + LINGER_S for plan in plans],
        luck=[draw.random() for _ in plans],
        due_s=[at_s for at_s, _, _ in said],
        audio_s=[audio_s for _, audio_s, _ in said],
        caller=[caller for _, _, caller in said],
    )


def _read_steps(record: dict[str, Any]) -> list[arrivals.Step]:
    """Return the steps; the account says where each ends, and a rise begins where the last was."""
    steps: list[arrivals.Step] = []
    for step in record["account"]["steps"]:
        length_s, sessions = step["end_s"] - step["begin_s"], step["sessions"]
        before = min(sessions, steps[-1].sessions if steps else sessions)
        steps.append(arrivals.Step(length_s, before, sessions))
    return steps


def _most_sessions(resource: AsrServiceSpec) -> int:
    return resource.runtime.max_sessions


def _row_at(rows: Sequence[dict[str, Any]], at_s: float) -> dict[str, Any]:
    """Return the row at a moment, give or take the time between two."""
    near = [row for row in rows if abs(row["at_s"] - at_s) <= ROW_S]
    return near[-1] if near else {"limit": None, "ready": None}


def _state_at(outcome: Outcome, at_s: float) -> Row:
    return [row for row in outcome.rows if row.at <= at_s][-1]


def _finals(outcome: Outcome, begin_s: float, end_s: float) -> float:
    return _increase(outcome, begin_s, end_s)[columns.FINALS]


def _p95_ms(outcome: Outcome, begin_s: float, end_s: float) -> float | None:
    rates = _increase(outcome, begin_s, end_s)[columns.LATENCIES : columns.WAITS]
    bounds = (*columns.LATENCY_BOUNDS_S, float("inf"))
    cumulated = [sum(rates[: place + 1]) for place in range(len(rates))]
    found = quantiles.compute_quantile(0.95, zip(bounds, cumulated, strict=True))
    return None if found is None else 1000 * found


def _increase(outcome: Outcome, begin_s: float, end_s: float) -> list[float]:
    rows = [row for row in outcome.rows if begin_s <= row.at <= end_s]
    total = [0.0] * columns.COUNTERS
    for old, new in pairwise(rows):
        total = [sum_ + b - a for sum_, a, b in zip(total, old.counters, new.counters, strict=True)]
    return total


def _spread(found: Sequence[Outcome], of: Callable[[Outcome], float | None]) -> str:
    values = sorted(value for value in map(of, found) if value is not None)
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.0f} ({values[0]:.0f} to {values[-1]:.0f})"


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    main()
