"""What comes: traces, shapes and bursts, each with the kind of pod that serves it.

A session of a trace speaks 20 ms for each context token of the request that it stands for (speech
models make about 50 tokens of a second), at least a second; arrivals are as they were. Shapes are
Poisson processes whose rate changes; bursts have gamma gaps of a
coefficient of variation.
On a trace the seed varies only how calls split into utterances, which pod each session gets, how
long pods take to start, and when Prometheus scrapes.
"""

import gzip
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from asr_operator.simulation.profiles import Costs, Profile
from asr_operator.simulation.run import Scenario
from asr_operator.simulation.traces import parse_trace
from asr_operator.simulation.workload import Call, Outage, Workload, build_workload
from benchmarks.autoscaling import oracles

TRACES = Path(__file__).parent / "traces"
AUDIO_PER_TOKEN_S = 0.02
CALL_S = (20.0, 0.6)  # median and shape of a lognormal distribution, mean 24 s
HOUR_S, HALF_S = 3600.0, 1800.0
WARM_S = 300
UTILIZATION = 0.7
OBJECTIVE_S = 2.0
MOST_REPLICAS = 40

# Times are those of a large model on a small device, so that a fleet of about ten pods carries
# the traces as they are; what matters is the shape. "gpu" is flat up to four utterances.
PROFILES = {
    "gpu": Profile(Costs(0.0, 0.03, floor_s=0.4), has_gpu=True),
    "cpu": Profile(Costs(0.1, 0.04), cold_start_s=(15.0, 40.0)),
    "quota": Profile(Costs(0.03, 0.02, quota_ratio=0.5), cold_start_s=(15.0, 40.0)),
}

Arrivals = Callable[[random.Random], Iterator[Call]]


@dataclass(frozen=True, slots=True)
class Load:
    """A load; `is_predictable` says which of the goals is its own."""

    arrivals: Arrivals
    duration_s: float = HALF_S
    profile: str = "gpu"
    outages: tuple[Outage, ...] = ()
    is_predictable: bool = False
    is_fixed: bool = False

    def build(self, seed: int) -> tuple[Workload, Scenario]:
        """Return what happens with a seed."""
        draw = random.Random(f"arrivals {0 if self.is_fixed else seed}")
        calls = [call for call in self.arrivals(draw) if call.start_s < self.duration_s]
        workload = build_workload(calls, self.duration_s, seed, self.outages)
        columns = ("start_s", "luck", "due_s", "audio_s", "caller")
        arrays: dict[str, Any] = {name: np.array(getattr(workload, name)) for name in columns}
        workload = replace(workload, **arrays)
        profile = PROFILES[self.profile]
        begin = float(np.mean(oracles.rate_by_second(workload)[:WARM_S]))
        replicas = math.ceil(begin / UTILIZATION / oracles.served(profile, 4))
        scenario = Scenario(workload, profile, OBJECTIVE_S, replicas=max(1, replicas), seed=seed)
        return workload, scenario


def replay(name: str) -> Arrivals:
    """Return the arrivals of a trace."""

    @cache
    def read() -> list[Call]:
        with gzip.open(TRACES / f"{name}.csv.gz", "rt") as lines:
            return parse_trace(lines, "tokens")

    def arrive(_: random.Random) -> Iterator[Call]:
        for call in read():
            yield Call(call.start_s, max(1.0, AUDIO_PER_TOKEN_S * call.audio_s))

    return arrive


def follow(rate: Callable[[float], float], most: float) -> Arrivals:
    """Return a Poisson process whose rate, in sessions per second, is at most `most`."""

    def arrive(draw: random.Random) -> Iterator[Call]:
        at_s = 0.0
        while at_s < HOUR_S:
            at_s += draw.expovariate(most)
            if draw.random() * most < rate(at_s):
                yield Call(at_s, draw_call_s(draw))

    return arrive


def burst(variation: float, rate: float = 3.0) -> Arrivals:
    """Return a renewal process with gamma gaps of a coefficient of variation."""
    shape = 1 / variation**2

    def arrive(draw: random.Random) -> Iterator[Call]:
        at_s = 0.0
        while at_s < HOUR_S:
            at_s += draw.gammavariate(shape, 1 / (rate * shape))
            yield Call(at_s, draw_call_s(draw))

    return arrive


def draw_call_s(draw: random.Random) -> float:
    """Return how much a session speaks."""
    return max(2.0, min(180.0, CALL_S[0] * draw.lognormvariate(0, CALL_S[1])))


def step(at_s: float) -> float:
    """Four times as much for the middle third."""
    return 4.8 if 600 <= at_s < 1200 else 1.2


def ramp(at_s: float) -> float:
    """Up for a quarter of an hour, and down again."""
    return 1 + 5 * (1 - abs(at_s / 900 - 1))


def diurnal(at_s: float) -> float:
    """A day in an hour."""
    return 3.5 - 2.8 * math.cos(2 * math.pi * at_s / HOUR_S)


def flash(at_s: float) -> float:
    """Eight times as much within 20 s, and gone within minutes."""
    since_s = at_s - 600
    if since_s < 0:
        return 0.8
    return 0.8 + 5.6 * (since_s / 20 if since_s < 20 else math.exp(-(since_s - 20) / 180))


def steady(_: float) -> float:
    """The same all the time."""
    return 4.0


STORM = (Outage(600.0, 0.0), Outage(1200.0, 0.5))

LOADS: dict[str, Load] = {
    "code": Load(replay("code"), HOUR_S, is_predictable=True, is_fixed=True),
    "conv": Load(replay("conv"), HOUR_S, is_predictable=True, is_fixed=True),
    "conv-cpu": Load(replay("conv"), HOUR_S, "cpu", is_predictable=True, is_fixed=True),
    "conv-quota": Load(replay("conv"), HOUR_S, "quota", is_predictable=True, is_fixed=True),
    "diurnal": Load(follow(diurnal, 6.3), HOUR_S, is_predictable=True),
    "ramp": Load(follow(ramp, 6.0), is_predictable=True),
    "step": Load(follow(step, 4.8)),
    "flash": Load(follow(flash, 6.4)),
    "storm": Load(follow(steady, 4.0), outages=STORM),
    "burst-cv1": Load(burst(1.0)),
    "burst-cv2": Load(burst(2.0)),
    "burst-cv4": Load(burst(4.0)),
    "burst-cv8": Load(burst(8.0)),
}
TUNED_ON = {"gpu": "code", "cpu": "code-cpu", "quota": "code-quota"}
UNREPORTED = {
    "code-cpu": replace(LOADS["code"], profile="cpu"),
    "code-quota": replace(LOADS["code"], profile="quota"),
}


def find_load(name: str) -> Load:
    """Return a load, one of those that are only tuned on included."""
    return LOADS.get(name) or UNREPORTED[name]
