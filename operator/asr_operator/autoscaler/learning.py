"""What one tick teaches: the memory after a sample, before anything is decided on it.

Nothing is learned while servers fall behind: what they compute then is what they can, not what
arrives, and how late they are then says nothing of how late they need be.
"""

from dataclasses import dataclass, replace

from asr_operator.api.autoscaling import Objectives, ScalingSpec
from asr_operator.autoscaler import service_model
from asr_operator.autoscaler.capacity import Capacity
from asr_operator.autoscaler.knowledge import Known
from asr_operator.autoscaler.memory import Memory
from asr_operator.autoscaler.service_model import Round
from asr_operator.state.load import LoadSample

LATENCY_FINALS = 10  # a quantile over fewer answers is no measurement
TICKS = 3
GAIN = 0.2
STEADY_RATIO = 0.2
HARMLESS_RATIO = 0.5  # of the objective; histograms say little about latencies far below it
LEAST_SESSIONS = 10  # the present number of fewer says little of a minute
LEAST_CPU_RATIO = 0.1  # below, what a server uses without any work is too much of it


@dataclass(frozen=True, slots=True)
class Latency:
    """What was measured of the finals of one window; `ratio` to the objective."""

    final_s: float
    queue_wait_s: float | None
    ratio: float

    @property
    def is_missed(self) -> bool:
        """Return whether finals were later than the objective."""
        return self.ratio > 1


def measure_latency(sample: LoadSample, spec: ScalingSpec) -> Latency | None:
    """Return the latency, None when there are too few answers to say."""
    if sample.final_latency_s is None or (sample.finals or 0.0) < LATENCY_FINALS:
        return None
    ratio = sample.final_latency_s / spec.objectives.final_latency_s
    return Latency(sample.final_latency_s, sample.queue_wait_s, ratio)


def waits_in_queue(
    latency: Latency | None, mean_round: Round | None, objectives: Objectives
) -> bool:
    """Return whether finals are late for the queue before a batch, not for the batch.

    What not even batches of no length would bring in time, the queue is to blame for; the wait
    says so only as far as its histogram reaches.
    """
    if latency is None or latency.queue_wait_s is None:
        return True
    batch_s = mean_round.busy_s if mean_round else 0.0
    hopeless = latency.final_s - 2 * batch_s > objectives.final_latency_s
    waited_s = latency.queue_wait_s
    return waited_s > 2 * batch_s and (waited_s > latency.final_s / 2 or hopeless)


def learn(memory: Memory, sample: LoadSample, known: Known, spec: ScalingSpec) -> Memory:
    """Return the memory after a tick whose load is known."""
    latency = measure_latency(sample, spec)
    memory = _learn_rounds(memory, sample, known, spec)
    span_s = max(spec.autoscaling.behavior.demand.window_s, 2 * sample.window_s)
    since_s = min(sample.window_s, max(0.0, sample.at - memory.ticked_at))
    return replace(
        memory,
        demands=(
            *(seen for seen in memory.demands if sample.at - span_s < seen[0] < sample.at),
            (sample.at, known.demand),
        ),
        lateness=(*memory.lateness, latency.ratio if latency else 0.0)[-TICKS:],
        finals=memory.finals + (sample.finals or 0.0) * since_s / sample.window_s,
    )


def measure_cpu_s(sample: LoadSample, known: Known) -> float | None:
    """Return the seconds of a whole CPU limit that the mean round uses, None if unknown."""
    if known.cpu_ratio is None or known.cpu_ratio < LEAST_CPU_RATIO or not known.is_complete:
        return None
    batches_per_s = sum(
        stage.batches_per_s for stage in sample.stages if stage.stage == service_model.MAIN_STAGE
    )
    return known.cpu_ratio * known.heard / batches_per_s if batches_per_s > 0 else None


def build_capacity(memory: Memory, spec: ScalingSpec) -> Capacity | None:
    """Return the model of a replica, None before the first batch."""
    if memory.item_padded_s is None or memory.model.points == 0:
        return None
    return Capacity(
        model=memory.model,
        item_padded_s=memory.item_padded_s,
        padded_per_audio=memory.padded_per_audio or 1.0,
        objectives=spec.objectives,
        batching=spec.batching,
        cpu=memory.cpu if memory.cpu.points else None,
        fullness=memory.fullness,
        fullness_size=memory.fullness_size,
    )


def _learn_rounds(memory: Memory, sample: LoadSample, known: Known, spec: ScalingSpec) -> Memory:
    mean = service_model.measure_round(sample.stages)
    if mean is None:
        return memory
    memory = replace(
        memory,
        model=memory.model.learn(mean.padded_s, mean.busy_s),
        item_padded_s=_blend(memory.item_padded_s, mean.padded_s / mean.items),
    )
    cpu_s = measure_cpu_s(sample, known)
    if cpu_s is not None and _is_settled(memory, sample):
        memory = replace(memory, cpu=memory.cpu.learn(mean.padded_s, cpu_s))
    padded_ratio = sum(
        stage.padded_audio_ratio
        for stage in sample.stages
        if stage.stage == service_model.MAIN_STAGE
    )
    if known.demand <= 0 or not known.is_complete or _falls_behind(sample, spec):
        return memory
    memory = replace(
        memory, padded_per_audio=_blend(memory.padded_per_audio, padded_ratio / known.demand)
    )
    if known.sessions < LEAST_SESSIONS or not _is_steady(memory, sample, known):
        return memory
    spoken = known.demand / known.sessions
    return replace(memory, audio_per_session=_blend(memory.audio_per_session, spoken))


def _is_steady(memory: Memory, sample: LoadSample, known: Known) -> bool:
    """Return whether fleet and load are what they were all through the window."""
    since = sample.at - sample.window_s
    changes = [abs(old - known.demand) for at, old in memory.demands if at >= since]
    settled = _is_settled(memory, sample) and not sample.refused_per_s
    return settled and max(changes, default=0.0) <= STEADY_RATIO * known.demand


def _is_settled(memory: Memory, sample: LoadSample) -> bool:
    """Return whether the fleet was the same all through the window; who starts computes a lot."""
    return memory.fleet_changed_at <= sample.at - sample.window_s


def _falls_behind(sample: LoadSample, spec: ScalingSpec) -> bool:
    waited_s = sample.queue_wait_s or 0.0
    return bool(sample.refused_per_s) or waited_s > HARMLESS_RATIO * spec.objectives.final_latency_s


def _blend(old: float | None, new: float) -> float:
    return new if old is None else old + GAIN * (new - old)
