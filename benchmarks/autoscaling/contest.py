"""Who takes part: each rule with its defaults, the grid it is tuned on, and what makes it bolder.

Settings are numbers by name. `boldness` is the setting that trades lateness for pods, and the
factors to sweep it by.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    Behavior,
    Objectives,
    ScaleDown,
    ScalingSpec,
)
from asr_operator.simulation.policies import Policy, Shipped
from asr_operator.simulation.profiles import Profile
from asr_operator.simulation.workload import Workload
from benchmarks.autoscaling import oracles
from benchmarks.autoscaling.baselines import apa, fixed, hpa, kpa, wva
from benchmarks.autoscaling.loads import MOST_REPLICAS, OBJECTIVE_S

Settings = Mapping[str, float]
FACTORS = (0.4, 0.6, 0.8, 1.25, 1.6, 2.2)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the makers of policies may look at; only oracles look at the workload."""

    workload: Workload
    profile: Profile


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy to be; `grid` has the values to try of each setting."""

    make: Callable[[Settings, Stage], Policy]
    defaults: Settings
    grid: Mapping[str, tuple[float, ...]]
    boldness: str = "target"

    def variants(self) -> Iterator[Settings]:
        """Yield all settings of the grid."""
        for values in product(*self.grid.values()):
            yield {**self.defaults, **dict(zip(self.grid, values, strict=True))}

    def sweep(self, settings: Settings) -> Iterator[Settings]:
        """Yield settings that are more careful or bolder."""
        for factor in FACTORS:
            yield {**settings, self.boldness: factor * settings[self.boldness]}


def make_shipped(settings: Settings, _: Stage) -> Policy:
    """Our autoscaler; both knobs are tuned, and everything else is a default of the resource."""
    down = replace(ScaleDown(), stabilization_s=round(settings["down_s"]))
    return Shipped(
        ScalingSpec(
            objectives=Objectives("p99", round(1000 * OBJECTIVE_S * settings["objective"])),
            batching=BatchPolicy(mode="Auto", size=4, max_size=64),
            autoscaling=Autoscaling(
                mode="Auto", max_replicas=MOST_REPLICAS, behavior=Behavior(scale_down=down)
            ),
        )
    )


def _stabilizer(settings: Settings) -> hpa.Stabilizer:
    return hpa.Stabilizer(MOST_REPLICAS, settings["down_s"])


def _make_fixed(settings: Settings, _: Stage) -> Policy:
    return fixed.Fixed(max(1, round(settings["target"])), round(settings["batch"]))


def _make_hpa_gpu(settings: Settings, _: Stage) -> Policy:
    recommend = hpa.on_gpu(settings["target"])
    return hpa.Hpa(recommend, _stabilizer(settings), round(settings["batch"]))


def _make_hpa_sessions(settings: Settings, _: Stage) -> Policy:
    recommend = hpa.on_sessions(settings["target"])
    return hpa.Hpa(recommend, _stabilizer(settings), round(settings["batch"]))


def _make_keda(settings: Settings, _: Stage) -> Policy:
    recommend = hpa.KedaLatency(settings["target"])
    return hpa.Hpa(recommend, _stabilizer(settings), round(settings["batch"]))


def _make_kpa(settings: Settings, _: Stage) -> Policy:
    return kpa.Kpa(
        settings["target"], MOST_REPLICAS, round(settings["batch"]), settings["stable_s"]
    )


def _make_apa(settings: Settings, _: Stage) -> Policy:
    return apa.Apa(settings["target"], _stabilizer(settings), round(settings["batch"]))


def _make_wva(settings: Settings, _: Stage) -> Policy:
    limits = wva.Thresholds(
        settings["target"], settings["queue"], settings["target"] / 8, settings["queue"] * 0.6
    )
    return wva.Wva(limits, _stabilizer(settings), round(settings["batch"]))


def _make_future(settings: Settings, stage: Stage) -> Policy:
    aim = oracles.Aim(settings["target"], round(settings["mean_s"]))
    batch = round(settings["batch"])
    return oracles.know_future(stage.workload, stage.profile, aim, batch, MOST_REPLICAS)


def _make_present(settings: Settings, stage: Stage) -> Policy:
    aim = oracles.Aim(settings["target"], round(settings["mean_s"]), round(settings["keep_s"]))
    batch = round(settings["batch"])
    return oracles.know_present(stage.workload, stage.profile, aim, batch, MOST_REPLICAS)


BATCHES = (4.0, 8.0, 16.0)
SESSIONS = (10.0, 14.0, 18.0, 22.0, 26.0, 32.0, 40.0, 48.0)

OURS = Rule(make_shipped, {"objective": 1.0, "down_s": 300.0}, {}, "objective")
ORACLE_FUTURE = Rule(
    _make_future,
    {"target": 0.7, "mean_s": 30.0, "batch": 4.0},
    {
        "target": (0.35, 0.45, 0.55, 0.65, 0.75, 0.85),
        "mean_s": (10.0, 30.0, 60.0),
        "batch": (4.0, 6.0),
    },
)
ORACLE_NOW = Rule(
    _make_present,
    {"target": 0.7, "mean_s": 30.0, "keep_s": 60.0, "batch": 4.0},
    {"target": (0.45, 0.55, 0.65, 0.75), "mean_s": (15.0, 30.0), "keep_s": (60.0, 300.0)},
)
BASELINES: dict[str, Rule] = {
    "fixed": Rule(
        _make_fixed,
        {"target": 10.0, "batch": 16.0},
        {"target": (4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 26.0, 32.0, 40.0), "batch": BATCHES},
    ),
    "hpa_gpu": Rule(
        _make_hpa_gpu,
        {"target": 0.8, "batch": 16.0, "down_s": 300.0},
        {
            "target": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
            "batch": BATCHES,
            "down_s": (60.0, 300.0),
        },
    ),
    "hpa_sessions": Rule(
        _make_hpa_sessions,
        {"target": 48.0, "batch": 16.0, "down_s": 300.0},
        {"target": SESSIONS, "batch": BATCHES, "down_s": (60.0, 300.0)},
    ),
    "keda_latency": Rule(
        _make_keda,
        {"target": 2.0, "batch": 16.0, "down_s": 300.0},
        {"target": (0.6, 0.8, 1.0, 1.3, 1.6, 2.0), "batch": BATCHES, "down_s": (60.0, 300.0)},
    ),
    "kpa": Rule(
        _make_kpa,
        {"target": 42.0, "batch": 16.0, "stable_s": 60.0},
        {"target": SESSIONS, "batch": BATCHES, "stable_s": (60.0, 180.0)},
    ),
    "apa": Rule(
        _make_apa,
        {"target": 0.5, "batch": 16.0, "down_s": 300.0},
        {"target": (0.15, 0.2, 0.25, 0.3, 0.4, 0.5), "batch": BATCHES, "down_s": (60.0, 300.0)},
    ),
    "wva": Rule(
        _make_wva,
        {"target": 0.8, "queue": 5.0, "batch": 16.0, "down_s": 120.0},
        {
            "target": (0.2, 0.3, 0.4, 0.6, 0.8),
            "queue": (2.0, 5.0, 10.0),
            "batch": BATCHES,
        },
    ),
}
RULES: dict[str, Rule] = {
    "ours": OURS,
    "oracle_future": ORACLE_FUTURE,
    "oracle_now": ORACLE_NOW,
    **BASELINES,
}
