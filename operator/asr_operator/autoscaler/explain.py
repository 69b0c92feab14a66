"""Why something changed: the inputs of its record, and sentences for people.

Inputs are numbers as text with four digits: audio seconds per second (`demand`, `demandPeak`,
`servedPerReplica`), milliseconds (`...Ms`; `costMs` of the engine and `cpuCostMs` of the CPU limit
for one padded audio second), ratios (`gpu`, `duty`, `cpu` of its limit, `sizeBound`,
`fullness` that a replica may have) and counts.
What is unknown is absent. A change for the sake of a schedule has its name and the bounds alone.
"""

from asr_operator.api.autoscaling import ScalingSpec
from asr_operator.api.names import Reason
from asr_operator.autoscaler.memory import FULLNESS_INPUT
from asr_operator.autoscaler.situation import Situation
from asr_operator.state.plan import Problem
from asr_operator.state.scaling import Change

_CAUSES = {
    Reason.CAPACITY_NEEDED: (
        "{demandPeak} audio seconds arrive per second, and one server serves {servedPerReplica}"
        " within the objective at batch size {batchSize}"
    ),
    Reason.SESSIONS_NEEDED: "{sessions} sessions are open on {ready} servers",
    Reason.GPU_ABOVE_OBJECTIVE: "the GPUs are busy {gpu} of the time, more than the objective",
    Reason.LATENCY_ABOVE_OBJECTIVE: (
        "finals took {finalLatencyMs} ms, more than {objectiveMs}, and {queueWaitMs} ms of it went"
        " by in the queue"
    ),
    Reason.LOAD_FELL: "less is enough for {demandPeak} audio seconds per second",
    Reason.BATCH_TOO_LARGE: (
        "finals took {finalLatencyMs} ms, more than {objectiveMs}, and batches took {batchMs} ms"
    ),
    Reason.BATCH_TOO_SMALL: (
        "the size closed {sizeBound} of the batches, and larger ones let a server carry more of"
        " {demandPeak} audio seconds per second"
    ),
    Reason.BATCH_ROLLED_BACK: (
        "since the change before, finals took {finalLatencyMs} ms and an audio second {costMs} ms"
        " of computing, which was less"
    ),
    Reason.METRICS_FALLBACK: "nothing has been known of the load for too long",
    Reason.SPEC_CHANGED: "the spec was changed",
    Reason.OUT_OF_BOUNDS: "it was outside the bounds of the spec",
    Reason.BOUNDS_SCHEDULED: (
        "it was outside the bounds while {schedule} {verb} in force, {minReplicas} to {maxReplicas}"
    ),
}


class _Inputs(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "an unknown number of"


def read_input(change: Change, key: str) -> float | None:
    """Return an input of a change as a number, None if it is absent or none."""
    try:
        return float(dict(change.inputs)[key])
    except (KeyError, ValueError):
        return None


def render_inputs(situation: Situation) -> tuple[tuple[str, str], ...]:
    """Return the numbers that a decision is made on."""
    known, latency = situation.known, situation.latency
    served = situation.capacity.served(situation.batch_size) if situation.capacity else None
    values = {
        "ready": situation.replicas,
        "batchSize": situation.batch_size,
        "demand": known.demand,
        "demandPeak": situation.peak,
        "sessions": known.sessions,
        "finalLatencyMs": _milli(latency.final_s if latency else None),
        "objectiveMs": situation.spec.objectives.final_latency_ms,
        "queueWaitMs": _milli(latency.queue_wait_s if latency else None),
        "batchMs": _milli(situation.mean_round.busy_s if situation.mean_round else None),
        "costMs": _milli(situation.cost),
        "cpuCostMs": _milli(situation.cpu_cost),
        "sizeBound": situation.size_bound_ratio,
        "servedPerReplica": served,
        FULLNESS_INPUT: situation.memory.fullness,
        "gpu": known.gpu_ratio,
        "duty": known.duty_ratio,
        "cpu": known.cpu_ratio,
    }
    return tuple((key, f"{value:.4g}") for key, value in values.items() if value is not None)


def render_bounds(reason: Reason, spec: ScalingSpec) -> tuple[tuple[str, str], ...]:
    """Return what a change that schedules ask for rests on, nothing for any other reason."""
    bounds = spec.bounds
    if reason != Reason.BOUNDS_SCHEDULED or bounds is None:
        return ()
    return (
        ("schedule", " and ".join(bounds.schedules)),
        ("minReplicas", str(bounds.min_replicas)),
        ("maxReplicas", str(bounds.max_replicas)),
    )


def describe_change(change: Change) -> str:
    """Return a change and its cause as a sentence, from its record alone."""
    return f"{'Raised' if change.to > change.from_ else 'Lowered'} {_tell(change)}"


def describe_advice(change: Change) -> str:
    """Return a change that was not made as a sentence."""
    verb = "raise" if change.to > change.from_ else "lower"
    return f"Nothing is changed in mode Recommend; Auto would {verb} {_tell(change)}"


def describe_static(spec: ScalingSpec) -> Problem | None:
    """Return why nothing is decided at all, None if something is."""
    mode = spec.autoscaling.mode
    if spec.batching.mode == "Auto" or mode in ("Auto", "Recommend"):
        return None
    if mode == "External":
        return Problem(Reason.SCALING_EXTERNAL, "spec.replicas is written by another autoscaler.")
    return Problem(Reason.SCALING_OFF, "spec.replicas and spec.batching.size are as they are set.")


def describe_steady(situation: Situation) -> str:
    """Return why nothing changes when nothing has to."""
    count = situation.replicas
    servers = f"{count} server{'s' if count != 1 else ''} with batches of up to"
    load = "for no load" if situation.known.state == "idle" else "for the load"
    return f"{servers} {situation.batch_size} are right {load}."


def describe_backlog(situation: Situation) -> str:
    """Return why nothing changes although finals are late."""
    return (
        f"Finals take more than {situation.spec.objectives.final_latency_ms} ms: they are late for"
        " a backlog of sessions that stay where they are. Engines are idle for most of the time, so"
        " more replicas would not help."
    )


def describe_limit(situation: Situation, wanted: int) -> Problem | None:
    """Return what keeps replicas below what is wanted, None if nothing does."""
    most, desired = situation.spec.autoscaling.max_replicas, situation.fleet.desired
    if wanted <= desired:
        return None
    if desired >= most:
        return Problem(
            Reason.MAX_REPLICAS_REACHED,
            f"The load needs more replicas than {_name_limit(situation.spec)} allows, {most}."
            " Raise that bound, or expect finals to be late.",
        )
    if situation.fleet.blocked is not None:
        return Problem(
            Reason.CAPACITY_BLOCKED,
            "The load needs more replicas, but no more can be had, so no more are asked for:"
            f" {situation.fleet.blocked}",
        )
    return None


def describe_unattainable(situation: Situation) -> str:
    """Return why an objective cannot be met, and what to do."""
    return (
        f"Finals take more than {situation.spec.objectives.final_latency_ms} ms, and neither more"
        " replicas nor a smaller batch helps. Raise spec.objectives.finalLatency, give servers"
        " faster hardware, or take a smaller model."
    )


def _tell(change: Change) -> str:
    knob = "replicas" if change.knob == "replicas" else "the batch size"
    inputs = _Inputs(change.inputs)
    inputs["verb"] = "are" if " and " in inputs["schedule"] else "is"
    cause = _CAUSES.get(change.reason, str(change.reason)).format_map(inputs)
    return f"{knob} from {change.from_} to {change.to}: {cause}."


def _name_limit(spec: ScalingSpec) -> str:
    if spec.bounds is not None and spec.bounds.limiting is not None:
        return f"the schedule {spec.bounds.limiting}"
    return "spec.autoscaling.maxReplicas"


def _milli(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
