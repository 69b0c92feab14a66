"""Short ways to say what the load is, and a small fleet whose load follows from what is decided."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    Behavior,
    Objectives,
    ScalingSpec,
)
from asr_operator.autoscaler import decide
from asr_operator.autoscaler.memory import Memory, restore
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.state.load import BatchPoint, LoadSample, PodLoad, StageLoad
from asr_operator.state.scaling import Change, Fleet

NOW = 1_000_000.0
START_S, SLOPE, ITEM_S = 0.03, 0.004, 3.0
LATE_S = 2.0


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def make_spec():
    """A spec in which both knobs are tuned, with fields of any of its parts as given."""

    def make(mode: str = "Auto", batching: str = "Auto", **fields: Any) -> ScalingSpec:
        def pick(kind: Any) -> dict[str, Any]:
            return {name: fields.pop(name) for name in list(fields) if name in kind.__slots__}

        behavior = replace(fields.pop("behavior", Behavior()), **pick(Behavior))
        objectives = replace(Objectives(), **pick(Objectives))
        autoscaling = replace(Autoscaling(), mode=mode, behavior=behavior, **pick(Autoscaling))
        policy = replace(BatchPolicy(), mode=batching, **pick(BatchPolicy))
        assert not fields
        return ScalingSpec(objectives=objectives, batching=policy, autoscaling=autoscaling)

    return make


@pytest.fixture
def make_fleet():
    """A fleet of ready servers; `desired` is as many as are ready unless given."""

    def make(ready: int = 2, **fields: Any) -> Fleet:
        names = tuple(f"pod-{number}" for number in range(ready))
        return Fleet(
            **{"desired": ready, "ready": names, "batch_size": 4, "max_sessions": 100, **fields}
        )

    return make


@pytest.fixture
def make_sample():
    """A moderate load, in time, on two servers, with the fields as given.

    `demand` arrives, in batches of `items` of 3 s each, which take `busy_s`. Half of the finals are
    late where the quantile is beyond 2 s.
    """

    def make(pods: int | tuple[PodLoad, ...] = 2, **fields: Any) -> LoadSample:
        if isinstance(pods, int):
            pods = tuple(
                PodLoad(f"pod-{number}", 5.0, 10.0, 100.0, demand_audio_ratio=12.0, duty_ratio=0.5)
                for number in range(pods)
            )
        demand, items = fields.pop("demand", 24.0), fields.pop("items", 4.0)
        batches_per_s = demand / ITEM_S / items
        stage = StageLoad(
            stage="asr",
            batches_per_s=batches_per_s,
            items_per_s=demand / ITEM_S,
            padded_audio_ratio=demand,
            busy_ratio=batches_per_s * fields.pop("busy_s", START_S + SLOPE * ITEM_S * items),
            size_bound_ratio=fields.pop("size_bound", 0.0),
        )
        default: dict[str, Any] = {
            "at": NOW,
            "window_s": 60.0,
            "pods": pods,
            "demand_audio_ratio": demand,
            "refused_per_s": 0.0,
            "finals": 500.0,
            "final_latency_s": 0.2,
            "queue_wait_s": 0.05,
            "stages": (stage,),
        }
        sample = LoadSample(**{**default, **fields})
        is_late = (sample.final_latency_s or 0.0) > LATE_S
        sample = replace(sample, late_ratio=fields.get("late_ratio", 0.5 if is_late else 0.0))
        return replace(
            sample, demand_peak_ratio=fields.get("demand_peak_ratio", sample.demand_audio_ratio)
        )

    return make


@pytest.fixture
def idle_sample():
    """Servers that are all heard, and to which nothing arrives."""

    def make(pods: int = 2, **fields: Any) -> LoadSample:
        loads = tuple(
            PodLoad(f"pod-{n}", 5.0, 0.0, 100.0, 0.0, duty_ratio=0.0) for n in range(pods)
        )
        default = {"at": NOW, "window_s": 60.0, "pods": loads, "demand_audio_ratio": 0.0}
        return LoadSample(**{**default, **fields})

    return make


@pytest.fixture
def watched():
    """The memory of an operator that has watched for an hour, and knows how long batches take."""

    model = ServiceModel()
    for padded_s in (ITEM_S, 32 * ITEM_S) * 50:
        model = model.learn(padded_s, START_S + SLOPE * padded_s)

    def make(*changes: Change, **fields: Any) -> Memory:
        learned = {"model": model, "item_padded_s": ITEM_S, "padded_per_audio": 1.0}
        return replace(restore(changes, started_at=NOW - 3600), **{**learned, **fields})

    return make


@pytest.fixture
def decided(make_fleet, make_spec, watched):
    """What is decided on a sample: by default for two servers with batches of 4, within 2 s."""

    def make(sample: Any, fleet: Any = None, spec: Any = None, memory: Any = None) -> Any:
        decision, _ = decide.decide(
            sample,
            fleet or make_fleet(),
            spec or make_spec(final_latency_ms=2000),
            memory or watched(finals=1000.0, lateness=(1.5, 1.5)),
            NOW,
        )
        return decision

    return make


@dataclass
class SimulatedFleet:
    """Servers whose batches take `start_s + audio_s * padded seconds`, under an even load.

    Batches are as large as what arrives during one of them, within the batch size; those larger
    than `cliff[0]` take `cliff[1]` times as long. What cannot be served queues up. Only `available`
    servers can be had. A sample is about the last `window` ticks, as Prometheus would tell it.

    With `cpu_limit`, CPUs that a server may use, reading a second of audio takes `front_s` of them
    too; the engine is as fast as ever until the limit is near, and as slow as the limit then.
    """

    spec: ScalingSpec
    start_s: float = 0.03
    audio_s: float = 0.01
    item_s: float = 3.0
    replicas: int = 1
    batch_size: int = 4
    cold_start_s: float = 30.0
    tick_s: float = 15.0
    window: int = 4
    now: float = NOW
    backlog: float = 0.0
    available: int | None = None
    cliff: tuple[int, float] | None = None
    cpu_limit: float | None = None
    front_s: float = 0.0
    memory: Memory = field(default_factory=lambda: restore((), NOW - 3600))
    changes: list[Change] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    stages: list[StageLoad] = field(default_factory=list)
    demands: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    starting: list[float] = field(default_factory=list)
    ready: int = 1

    def __post_init__(self) -> None:
        self.ready = self.replicas

    def run(self, demand: float, minutes: float) -> None:
        """Let a load of audio seconds per second arrive; decide every tick."""
        for _ in range(round(60 * minutes / self.tick_s)):
            self.step(demand)

    def step(self, demand: float) -> decide.ScalingDecision:
        self.now += self.tick_s
        self.starting = [at for at in self.starting if at > self.now]
        room = self.replicas if self.available is None else min(self.replicas, self.available)
        self.ready = room - len(self.starting)
        fleet = Fleet(
            desired=self.replicas,
            ready=tuple(f"pod-{number}" for number in range(self.ready)),
            unready=len(self.starting),
            blocked="quota" if room < self.replicas else None,
            cold_start_s=self.cold_start_s,
            batch_size=self.batch_size,
            max_sessions=1000,
        )
        decision, self.memory = decide.decide(
            self.sample(demand), fleet, self.spec, self.memory, self.now
        )
        self.changes += decision.changes
        self.starting += [self.now + self.cold_start_s] * (decision.replicas - self.replicas)
        self.starting = self.starting[: max(0, decision.replicas - self.ready)]
        self.replicas, self.batch_size = decision.replicas, decision.batch_size
        return decision

    def restart(self) -> None:
        """Forget what only the operator remembers."""
        points = [
            BatchPoint(self.now - 60 * minute, "asr", 1.0, 3.0 * size, self._batch_s(size))
            for minute, size in enumerate((1, self.batch_size) * 5)
        ]
        self.memory = restore(tuple(self.changes), self.now, points)

    @property
    def latency_s(self) -> float:
        return max(self.latencies[-self.window :])

    @property
    def late_ratio(self) -> float:
        """Return the share of late finals, where latency has an exponential tail."""
        objectives = self.spec.objectives
        beyond = objectives.final_latency_s / self.latency_s
        return float((1 - objectives.quantile_ratio) ** beyond)

    def sample(self, demand: float) -> LoadSample:
        items = demand / self.item_s / self.ready
        start_s = self._round_s(0.0)
        shared = items * (self._round_s(1.0) - start_s)
        natural = items * start_s / (1 - shared) if shared < 1 else float("inf")
        size = max(1.0, min(float(self.batch_size), natural))
        most = self.batch_size / self._round_s(self.batch_size)
        self.backlog = max(0.0, self.backlog + (items - most) * self.tick_s)
        load = min(0.98, items / most)
        busy_s = self._busy_s(size, load)
        tail_s = self._busy_s(max(1.0, min(float(self.batch_size), 2 * natural)), load)
        waited = 1.5 * load / (1 - load) / self.batch_size  # a batch takes as many at once
        wait_s = tail_s * (1 + waited) + self.backlog / most
        self.latencies.append(0.02 + tail_s + wait_s)
        self.waits.append(wait_s)
        self.demands.append(demand)
        ticks = self.window
        seen = self.demands[-3 * ticks :]
        window = seen[-ticks:]
        peaks = [sum(seen[i : i + ticks]) / ticks for i in range(len(seen) - ticks + 1)]
        served = min(items, most) * self.ready
        stage = StageLoad(
            stage="asr",
            batches_per_s=served / size,
            items_per_s=served,
            padded_audio_ratio=served * self.item_s,
            busy_ratio=served / size * busy_s,
            size_bound_ratio=_share_of_full_batches(natural, self.batch_size),
        )
        self.stages.append(stage)
        self.cpu.append(min(1.0, items * self._round_s(size) / size) if self.cpu_limit else 0.0)
        cpu = sum(self.cpu[-ticks:]) / len(self.cpu[-ticks:])
        pods = tuple(
            PodLoad(
                f"pod-{number}",
                3.0,
                sessions=demand / self.ready,
                demand_audio_ratio=demand / self.ready,
                duty_ratio=0.5,
                cpu_ratio=cpu,
            )
            for number in range(self.ready)
        )
        return LoadSample(
            at=self.now,
            window_s=ticks * self.tick_s,
            pods=pods,
            demand_audio_ratio=sum(window) / len(window),
            demand_peak_ratio=max(peaks, default=demand),
            refused_per_s=0.0,
            finals=served * ticks * self.tick_s,
            late_ratio=self.late_ratio if any(window) else None,
            final_latency_s=self.latency_s if any(window) else None,
            queue_wait_s=max(self.waits[-ticks:]) if any(window) else None,
            stages=(_average(tuple(self.stages[-ticks:])),),
        )

    def _round_s(self, size: float) -> float:
        """Return how long a batch keeps a server, by its engine or by its CPU limit."""
        batch_s = self._batch_s(size)
        if self.cpu_limit is None:
            return batch_s
        return max(batch_s, (batch_s + self.front_s * self.item_s * size) / self.cpu_limit)

    def _busy_s(self, size: float, load: float) -> float:
        """Return how long a batch takes, which is longer near the CPU limit."""
        batch_s = self._batch_s(size)
        return batch_s + max(0.0, load - 0.6) / 0.4 * (self._round_s(size) - batch_s)

    def _batch_s(self, size: float) -> float:
        batch_s = self.start_s + self.audio_s * self.item_s * size
        return batch_s * self.cliff[1] if self.cliff and size > self.cliff[0] else batch_s


def _share_of_full_batches(natural: float, size: int) -> float:
    """Return how often as many arrive by chance as fill a batch, where `natural` do on average."""
    if natural > 100:
        return 1.0
    fewer = sum(
        math.exp(-natural) * natural**count / math.factorial(count) for count in range(size)
    )
    return 1.0 if size == 1 else max(0.0, 1 - fewer)


def _average(stages: tuple[StageLoad, ...]) -> StageLoad:
    fields = ("batches_per_s", "items_per_s", "padded_audio_ratio", "busy_ratio")
    means = {name: sum(getattr(stage, name) for stage in stages) / len(stages) for name in fields}
    return replace(stages[-1], **means)


@pytest.fixture
def simulated():
    return SimulatedFleet
