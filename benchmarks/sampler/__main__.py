"""Measure one tick of the operator: a synthetic exporter behind a real Prometheus.

    python -m benchmarks.sampler [--services 1000] [--pods 2] [--ticks 20] [--nice -10]

A tick asks Prometheus about all services, reads the load of each and decides for each. Prints a
table and writes benchmarks/results/sampler.json. It takes about three minutes, most of them to let
Prometheus scrape what the windows need. On a machine with other work, a negative niceness gives the
benchmark and its Prometheus the processors when they want them; the result says which it was.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable

from asr_operator.api.autoscaling import Autoscaling, BatchPolicy, Behavior, ScalingSpec
from asr_operator.autoscaler import decide, memory
from asr_operator.cluster import load, prometheus, queries
from asr_operator.metrics import OperatorMetrics
from asr_operator.settings import PrometheusSettings
from asr_operator.state.load import LoadQuestion, LoadSample, NoLoad
from asr_operator.state.scaling import Fleet
from benchmarks import conditions
from benchmarks.sampler import backend, exporter

RESULT = conditions.ROOT / "benchmarks" / "results" / "sampler.json"
INTERVAL_S = 15.0
GOALS = {"tick_s": 1.0, "operator_cores_in_a_tick": 0.5}
QUESTION = LoadQuestion()
# Every tick is due, as it is for an operator that ticks as often as its services ask.
SPEC = ScalingSpec(
    batching=BatchPolicy(mode="Auto"),
    autoscaling=Autoscaling(mode="Auto", behavior=Behavior(interval_s=1)),
)

Key = tuple[str, str]


class Fleets:
    """The services of the benchmark: what each remembers, and its decisions."""

    def __init__(self, services: int, pods: int) -> None:
        self.keys: list[Key] = [
            (f"team-{service % exporter.NAMESPACES}", f"service-{service}")
            for service in range(services)
        ]
        self._fleets = {
            key: Fleet(
                desired=pods,
                ready=tuple(f"{key[1]}-{pod}" for pod in range(pods)),
                batch_size=16,
                max_sessions=100,
            )
            for key in self.keys
        }
        now = time.time()
        self._memories = {key: memory.restore((), now, ()) for key in self.keys}

    def decide(self, loads: dict[Key, LoadSample | NoLoad]) -> None:
        """Decide for every service; end when the load of one is not believed."""
        now = time.time()
        for key, found in loads.items():
            decision, self._memories[key] = decide.decide(
                found, self._fleets[key], SPEC, self._memories[key], now
            )
            if decision.knowledge != "loaded":
                raise SystemExit(f"{key}: {decision}")


class Stopwatch:
    """Wall and processor time of each part of a tick, in seconds."""

    def __init__(self, prometheus_cpu_s: Callable[[], float]) -> None:
        self._prometheus_cpu_s = prometheus_cpu_s
        self.parts: dict[str, list[tuple[float, float, float]]] = {}
        self._at = self._now()

    def start(self) -> None:
        """Begin to measure."""
        self._at = self._now()

    def stop(self, part: str) -> None:
        """A part has ended; the next one begins."""
        now = self._now()
        spent = (now[0] - self._at[0], now[1] - self._at[1], now[2] - self._at[2])
        self.parts.setdefault(part, []).append(spent)
        self._at = now

    def _now(self) -> tuple[float, float, float]:
        return (time.perf_counter(), time.process_time(), self._prometheus_cpu_s())


async def measure(behind: backend.Backend, services: int, pods: int, ticks: int) -> Stopwatch:
    """Return the times of a number of ticks, after one that also loads the past."""
    fleets = Fleets(services, pods)
    client = prometheus.Prometheus(PrometheusSettings(behind.url, timeout_s=30))
    measured = OperatorMetrics().sampler
    sampler = load.Sampler(client, queries.load_queries(None), measured, time.time, lambda _: None)
    watch = Stopwatch(behind.cpu_s)
    for key in fleets.keys:
        sampler.read(key, QUESTION)
    watch.start()
    await sampler.sample()
    watch.stop("first tick, with the past")
    for _ in range(ticks):
        watch.start()
        await sampler.sample()
        watch.stop("ask")
        loads = {key: sampler.read(key, QUESTION) for key in fleets.keys}
        watch.stop("read")
        check(loads)
        watch.start()
        fleets.decide(loads)
        watch.stop("decide")
        await asyncio.sleep(1.5)
    await client.close()
    return watch


def check(loads: dict[Key, LoadSample | NoLoad]) -> None:
    """Make sure that what was measured is the real work."""
    for key, found in loads.items():
        if not isinstance(found, LoadSample) or not found.stages or not found.finals:
            raise SystemExit(f"no full sample of {key}: {found}")


def summarize(watch: Stopwatch) -> dict[str, dict[str, float]]:
    """Return the medians of each part and of a whole tick, and the slowest tick."""
    ticks = zip(*(watch.parts[part] for part in ("ask", "read", "decide")), strict=True)
    whole = [
        (
            sum(each[0] for each in parts),
            sum(each[1] for each in parts),
            sum(each[2] for each in parts),
        )
        for parts in ticks
    ]
    rows = {**watch.parts, "tick": whole}
    return {
        part: {
            "wall_s": round(statistics.median(each[0] for each in spent), 4),
            "slowest_wall_s": round(max(each[0] for each in spent), 4),
            "operator_cpu_s": round(statistics.median(each[1] for each in spent), 4),
            "prometheus_cpu_s": round(statistics.median(each[2] for each in spent), 4),
        }
        for part, spent in rows.items()
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=2, help="of each service")
    parser.add_argument("--ticks", type=int, default=20)
    parser.add_argument("--nice", type=int, default=0, help="niceness of all that is measured")
    given = parser.parse_args()
    os.nice(given.nice)
    with backend.running(given.services, given.pods) as behind:
        series = int(behind.ask("sum(scrape_samples_scraped)")[0]["value"][1])
        load_before = os.getloadavg()[0]
        watch = asyncio.run(measure(behind, given.services, given.pods, given.ticks))
    parts = summarize(watch)
    tick = parts["tick"]
    result = conditions.describe_conditions(load_before) | {
        "niceness": given.nice,
        "services": given.services,
        "pods": given.services * given.pods,
        "series": series,
        "ticks": given.ticks,
        "parts": parts,
        "operator_cores_in_a_tick": round(tick["operator_cpu_s"] / max(tick["wall_s"], 1.0), 3),
        "operator_cores_at_15_s": round(tick["operator_cpu_s"] / INTERVAL_S, 4),
        "goals": GOALS,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{given.services} services, {given.services * given.pods} pods, {series} series")
    print(f"{'':28}{'wall':>9}{'slowest':>9}{'operator':>10}{'Prometheus':>12}  (CPU)")
    for part, row in parts.items():
        wall, slowest, own, theirs = row.values()
        print(f"{part:28}{wall:8.3f}s{slowest:8.3f}s{own:9.3f}s{theirs:11.2f}s")


if __name__ == "__main__":
    main()
