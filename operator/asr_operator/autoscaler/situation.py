"""All that one decision is made on, and what the policies ask of it. Facts only, no decisions."""

from dataclasses import dataclass

from asr_operator.api.autoscaling import ScalingSpec
from asr_operator.autoscaler import learning, service_model
from asr_operator.autoscaler.capacity import Capacity
from asr_operator.autoscaler.knowledge import Known
from asr_operator.autoscaler.learning import Latency
from asr_operator.autoscaler.memory import Memory
from asr_operator.autoscaler.service_model import Round
from asr_operator.state.load import LoadSample
from asr_operator.state.scaling import Fleet

TOLERANCE_RATIO = 0.1  # as the HorizontalPodAutoscaler
BREACHES = 2  # of the last three ticks
RECOVERING_RATIO = 0.9
FULL_RATIO = 0.5
RISING_RATIO = 0.1
MOST_FORECAST_RATIO = 2.0
OVERSPENT_RATIO, OVERSPENT_BY = 3.0, 0.05


@dataclass(frozen=True, slots=True)
class Situation:
    """One tick whose load is known; `capacity`, `latency` and `mean_round` are None if unknown.

    `expected` is demand or its forecast, `peak` that or the highest demand of late. `cpu_s` is what
    the mean round used of the CPU limit, None if unknown. `late_ratio` is the share of late finals.
    """

    now: float
    spec: ScalingSpec
    fleet: Fleet
    known: Known
    memory: Memory
    size_bound_ratio: float
    peak: float
    expected: float
    capacity: Capacity | None
    latency: Latency | None
    mean_round: Round | None
    cpu_s: float | None = None
    late_ratio: float = 0.0

    @property
    def replicas(self) -> int:
        """Return how many servers share the load."""
        return len(self.fleet.ready)

    @property
    def batch_size(self) -> int:
        """Return the batch size in force."""
        return batch_size_in_force(self.fleet, self.spec)

    @property
    def owns_replicas(self) -> bool:
        """Return whether the number of replicas is decided here, or at least recommended."""
        return self.spec.autoscaling.mode in ("Auto", "Recommend")

    @property
    def tunes_batch(self) -> bool:
        """Return whether the batch size is decided here, or at least recommended."""
        return self.spec.batching.mode == "Auto"

    @property
    def can_grow(self) -> bool:
        """Return whether replicas could be added."""
        autoscaling = self.spec.autoscaling
        allowed = self.fleet.desired < autoscaling.max_replicas and self.fleet.blocked is None
        return self.owns_replicas and allowed

    @property
    def is_breached(self) -> bool:
        """Return whether the objective is missed, and not just once."""
        missed = self.latency is not None and self.latency.is_missed
        return missed and sum(ratio > 1 for ratio in self.memory.lateness) >= BREACHES

    @property
    def is_overspent(self) -> bool:
        """Return whether far more finals are late than may be, and not just once.

        That is more than how full replicas may be is to answer to by itself (`budget`).
        """
        allowed = 1 - self.spec.objectives.quantile_ratio
        limit = min(OVERSPENT_RATIO * allowed, allowed + OVERSPENT_BY)
        return self.is_breached and self.late_ratio > limit

    @property
    def is_recovering(self) -> bool:
        """Return whether finals are clearly less late than a tick ago."""
        lateness = self.memory.lateness
        return len(lateness) > 1 and lateness[-1] < RECOVERING_RATIO * lateness[-2]

    @property
    def is_measured(self) -> bool:
        """Return whether the window lies behind the last change of the fleet."""
        window_s = self.spec.autoscaling.behavior.demand.window_s
        return self.now - self.memory.fleet_changed_at >= window_s

    @property
    def waits_in_queue(self) -> bool:
        """Return whether finals are late for the queue before a batch, not for the batch."""
        return learning.waits_in_queue(self.latency, self.mean_round, self.spec.objectives)

    @property
    def gpu_pressure(self) -> float:
        """Return GPU utilization over its objective, 0 if it is not measured or batches have room.

        A GPU takes as long for a small batch as for one several times as large. While the size
        closes few, more load makes batches larger, and hardly makes the GPU busier.
        """
        if self.mean_round is not None and self.size_bound_ratio < FULL_RATIO:
            return 0.0
        return (self.known.gpu_ratio or 0.0) / self.spec.objectives.gpu_utilization_ratio

    @property
    def cost(self) -> float | None:
        """Return busy seconds per padded audio second."""
        return self.mean_round.busy_s / self.mean_round.padded_s if self.mean_round else None

    @property
    def cpu_cost(self) -> float | None:
        """Return seconds of the CPU limit per padded audio second."""
        return self.cpu_s / self.mean_round.padded_s if self.mean_round and self.cpu_s else None


def build_situation(
    sample: LoadSample, known: Known, fleet: Fleet, spec: ScalingSpec, memory: Memory, now: float
) -> Situation:
    """Return the situation at a tick; `memory` has learned of it."""
    main = [stage for stage in sample.stages if stage.stage == service_model.MAIN_STAGE]
    expected = max(
        known.demand,
        forecast_demand(memory, fleet.cold_start_s or 0.0),
        expect_demand(known, memory),
    )
    return Situation(
        now=now,
        spec=spec,
        fleet=fleet,
        known=known,
        memory=memory,
        size_bound_ratio=main[0].size_bound_ratio if main else 0.0,
        peak=max(known.peak, expected),
        expected=expected,
        capacity=learning.build_capacity(memory, spec),
        latency=learning.measure_latency(sample, spec),
        mean_round=service_model.measure_round(sample.stages),
        cpu_s=learning.measure_cpu_s(sample, known),
        late_ratio=sample.late_ratio or 0.0,
    )


def batch_size_in_force(fleet: Fleet, spec: ScalingSpec) -> int:
    """Return the batch size that servers are to be told when nothing changes."""
    tuned = spec.batching.mode == "Auto" and spec.autoscaling.mode != "Recommend"
    return fleet.batch_size if tuned else spec.batching.size


def expect_demand(known: Known, memory: Memory) -> float:
    """Return the demand of the sessions that are open now, 0 if it is not known what one brings.

    Demand is a rate over a window, and late by half of it; open sessions are as of the last scrape.
    Sessions that wait for answers stay longer, so it is bounded as every forecast is.
    """
    spoken = memory.audio_per_session
    if spoken is None:
        return 0.0
    return min(MOST_FORECAST_RATIO * known.demand, spoken * known.sessions)


def forecast_demand(memory: Memory, ahead_s: float) -> float:
    """Return the demand to expect, 0 unless it rises: now as well as over the recent past.

    The smaller of both slopes counts, as a step looks like a slope to a window that it fills.
    """
    if len(memory.demands) < 3:
        return 0.0
    (then, before), (earlier, previous), (now, demand) = (
        memory.demands[0],
        memory.demands[-2],
        memory.demands[-1],
    )
    slope = min((demand - before) / (now - then), (demand - previous) / (now - earlier))
    if slope * (now - then) <= RISING_RATIO * demand:
        return 0.0
    return min(MOST_FORECAST_RATIO * demand, demand + slope * ahead_s)
