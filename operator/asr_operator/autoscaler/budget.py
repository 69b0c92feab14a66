"""How full a replica may be: steered by the share of finals that come late, a budget to be spent.

An objective of p99 lets one final in a hundred be late. While clearly fewer are, replicas may be
fuller tick by tick; while more are, less full, faster the more there are: multiplicative steps in
proportion to the error, which settle where the share is the one that is aimed at. It begins with
what the service-time model allows.

- Fuller only where replicas were nearly as full as they may be and refused nobody, since others
  prove nothing; and not near a CPU limit, where servers answer in time until the limit is met, and
  late from then on.
- Not fuller either while the last twenty minutes have spent half of the budget, on whatever: growth
  that comes too late spends of the same budget.
- Not less full for what came late while replicas were too few, nor until that backlog is gone; nor
  beside idle engines; nor for the batch size, where that is too large and smaller ones keep up, or
  closes batches and could be larger.
- Few finals say little: one late of twenty is not 5 %. Steps are smaller, both ways, where so few
  came that one is more than the quantile allows; smaller only down, small services would be late.
"""

import math
from dataclasses import replace

from asr_operator.api.autoscaling import ScalingSpec
from asr_operator.autoscaler import learning
from asr_operator.autoscaler.capacity import Capacity, step_down
from asr_operator.autoscaler.knowledge import Known
from asr_operator.autoscaler.memory import Memory
from asr_operator.autoscaler.replica_policy import has_idle_engines
from asr_operator.autoscaler.service_model import measure_round
from asr_operator.state.load import LoadSample
from asr_operator.state.scaling import Fleet

SPENT_RATIO = 0.35  # of the budget; the rest is for what nobody foresees
SPARED_RATIO = 0.5
MEMORY_S = 1200.0
GAIN_PER_S = 0.01 / 15
MOST_OVERSPENT = 12.0
LEAST_FULLNESS, MOST_FULLNESS = 0.3, 0.75  # beyond, chance alone makes queues
USED_RATIO = 0.7
CROWDED_RATIO = 1.15
BACKLOG_S = 60.0
MOST_CPU_RATIO = 0.75  # of its limit
LEAST_FINALS = 10
FULL_RATIO = 0.5


def spend(
    memory: Memory, sample: LoadSample, known: Known, fleet: Fleet, spec: ScalingSpec
) -> Memory:
    """Return the memory after a window, with how full a replica may be at the present size."""
    model, size = learning.build_capacity(memory, spec), fleet.batch_size
    if model is None:
        return memory
    has_changed = memory.spec is not None and memory.spec.objectives != spec.objectives
    if memory.fullness is None or has_changed:
        full = begin(model, size)
    else:
        full = steer(memory.fullness, 0.0)
    used_ratio = known.demand / len(fleet.ready) / model.most(size) / full
    if used_ratio > CROWDED_RATIO or sample.refused_per_s:
        memory = replace(memory, crowded_at=sample.at)
    memory = _remember_late(memory, sample)
    is_spent = memory.late_ratio > SPARED_RATIO * (1 - spec.objectives.quantile_ratio)
    error = _measure_error(sample, spec)
    if error > 0 and (is_spent or not _proves_room(sample, known, used_ratio)):
        error = 0.0
    if error < 0 and (
        is_crowded(memory, sample)
        or has_idle_engines(known)
        or _is_batch_to_blame(sample, spec, model, fleet)
    ):
        error = 0.0
    step = GAIN_PER_S * _measure_since(memory, sample) * error if known.is_complete else 0.0
    return replace(memory, fullness=steer(full, step), fullness_size=size)


def begin(model: Capacity, batch_size: int) -> float:
    """Return how full a replica may be before anything was measured."""
    guess = replace(model, fullness=None).served(batch_size) / model.most(batch_size)
    return steer(guess, 0.0)


def steer(fullness: float, step: float) -> float:
    """Return a fullness after a step of its logarithm, within its bounds."""
    return max(LEAST_FULLNESS, min(MOST_FULLNESS, fullness * math.exp(step)))


def is_crowded(memory: Memory, sample: LoadSample) -> bool:
    """Return whether lateness may be that of replicas that were too few."""
    return sample.at - memory.crowded_at < sample.window_s + BACKLOG_S


def _remember_late(memory: Memory, sample: LoadSample) -> Memory:
    """Return the memory with this window in the share of late finals, which fades slowly."""
    if sample.late_ratio is None:
        return memory
    gain = 1 - math.exp(-_measure_since(memory, sample) / MEMORY_S)
    return replace(
        memory, late_ratio=memory.late_ratio + gain * (sample.late_ratio - memory.late_ratio)
    )


def _measure_error(sample: LoadSample, spec: ScalingSpec) -> float:
    """Return up to 1 where less is late than is aimed at, less than 0 where more is."""
    finals = sample.finals or 0.0
    if sample.late_ratio is None or finals < LEAST_FINALS:
        return 0.0
    allowed = 1 - spec.objectives.quantile_ratio
    spent_ratio = sample.late_ratio / allowed / SPENT_RATIO
    return min(1.0, finals * allowed) * (1 - min(MOST_OVERSPENT, spent_ratio))


def _measure_since(memory: Memory, sample: LoadSample) -> float:
    """Return the seconds that no tick has judged yet; those before a restart had been."""
    if memory.ticked_at == -math.inf and memory.fullness is not None:
        return 0.0
    return min(sample.window_s, max(0.0, sample.at - memory.ticked_at))


def _proves_room(sample: LoadSample, known: Known, used_ratio: float) -> bool:
    """Return whether replicas that were in time could have been late."""
    is_limited = (known.cpu_ratio or 0.0) > MOST_CPU_RATIO
    return used_ratio >= USED_RATIO and not is_limited and not sample.refused_per_s


def _is_batch_to_blame(
    sample: LoadSample, spec: ScalingSpec, model: Capacity, fleet: Fleet
) -> bool:
    """Return whether finals are late for batches that take long, or that could still be larger.

    Not where a smaller size would not keep up: it takes more replicas first.
    """
    size, least = fleet.batch_size, spec.batching.min_size
    latency, mean = learning.measure_latency(sample, spec), measure_round(sample.stages)
    is_tuned = spec.batching.mode == "Auto"
    if not learning.waits_in_queue(latency, mean, spec.objectives):
        smaller = max(least, step_down(size))
        carried = model.most(smaller) * len(fleet.ready)
        return not is_tuned or size <= least or (sample.demand_audio_ratio or 0.0) < carried
    full = max((stage.size_bound_ratio for stage in sample.stages), default=0.0)
    return is_tuned and full >= FULL_RATIO and model.best_size() > size
