"""Who decides in a simulation: anything that answers what it sees with the two knobs.

`Shipped` is the autoscaler of this operator.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from asr_operator.api.autoscaling import DemandWindows, Objectives, ScalingSpec
from asr_operator.autoscaler import decide
from asr_operator.autoscaler.memory import Memory, restore
from asr_operator.simulation.profiles import Profile
from asr_operator.simulation.telemetry import Telemetry
from asr_operator.state.load import LoadSample, NoLoad
from asr_operator.state.scaling import Change, Fleet


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see at a moment; `sessions` and `queued` are those of the ready pods now.

    What Prometheus knows comes from `telemetry`. A policy that asks the pods itself reads the rest.
    """

    now: float
    fleet: Fleet
    telemetry: Telemetry
    profile: Profile
    sessions: tuple[int, ...]
    queued: tuple[int, ...]

    def sample(self, windows: DemandWindows, objectives: Objectives) -> LoadSample | NoLoad:
        """Return the load as the operator's sampler would tell it."""
        return self.telemetry.build_sample(self.now, windows, objectives, self.profile)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a policy wants in force; and why, where it says so."""

    replicas: int
    batch_size: int
    changes: tuple[Change, ...] = ()


class Policy(Protocol):
    """Decides every `interval_s`; keeps what it has to remember."""

    @property
    def interval_s(self) -> float:
        """How often it is asked."""

    def decide(self, view: View) -> Wanted:
        """Return both knobs."""


PolicyMaker = Callable[[], Policy]
"""Makes a policy that remembers nothing yet."""


@dataclass(slots=True)
class Shipped:
    """The autoscaler as the operator runs it; it starts with the simulation, and knows nothing.

    The simulation begins at `began_at` in Unix seconds, by which schedules go, and changes are.
    """

    spec: ScalingSpec
    began_at: float = 0.0
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.memory = restore((), started_at=self.began_at)

    @property
    def interval_s(self) -> float:
        """How often it is asked."""
        return float(self.spec.autoscaling.behavior.interval_s)

    def decide(self, view: View) -> Wanted:
        """Decide as one tick of the loop does."""
        spec, now = self.spec, self.began_at + view.now
        sample = view.sample(spec.autoscaling.behavior.demand, spec.objectives)
        sample = replace(sample, at=self.began_at + sample.at)
        decision, self.memory = decide.decide(sample, view.fleet, spec, self.memory, now)
        return Wanted(decision.replicas, decision.batch_size, decision.changes)
