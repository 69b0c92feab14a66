"""How a new live configuration reaches running servers, and whether it has.

Rules:
1. The kubelet brings a changed ConfigMap to a pod at once when the pod changes, else within two
   minutes. So each running pod is told the generation once, in an annotation.
2. A pod that still reports another generation well after it was told is told again, each time
   after twice as long. A pod that reports nothing is not: it may have it.
3. Pods that start later read what is there. Generation 1 is what all pods of a new service read.
4. It is applied when every ready pod reports it.
"""

from datetime import datetime

from asr_operator.api import names, status
from asr_operator.api.names import Reason
from asr_operator.children import config_map
from asr_operator.decisions.conditions import Verdict
from asr_operator.state.load import NoLoad
from asr_operator.state.observed import Observed, ObservedConfig, ObservedPod
from asr_operator.state.plan import PodNote
from asr_operator.state.tick import Tick

# A server looks at its file every second, and Prometheus at the server less often.
TAKE_OVER_S = 5.0
FIRST_RETELLING_S = 10.0


def find_told_generation(observed: Observed, tick: Tick) -> int:
    """Return the highest generation that a server was told or reports, 0 when none runs."""
    known = [0]
    for pod in observed.pods:
        load = tick.find_pod(pod.name)
        known += [pod.told_generation or 0, (load and load.config_generation) or 0, pod.is_running]
    return max(known)


def decide_config_notes(observed: Observed, tick: Tick, now: datetime) -> tuple[PodNote, ...]:
    """Return what to write on the pods that have to be told."""
    config = observed.config
    if config is None:
        return ()
    generation = config_map.read_generation(config.text)
    note = (
        (names.CONFIG_GENERATION_ANNOTATION, str(generation)),
        (names.CONFIG_TOLD_ANNOTATION, status.render_time(now)),
    )
    return tuple(
        PodNote(pod.name, note)
        for pod in observed.pods
        if pod.is_running and _must_be_told(pod, config, generation, tick, now)
    )


def judge_delivery(observed: Observed, tick: Tick) -> Verdict:
    """Decide BatchSizeApplied."""
    ready = [pod for pod in observed.pods if pod.is_ready]
    if observed.config is None or not ready:
        return Verdict("Unknown", Reason.NO_SERVER, "No server is ready.")
    if isinstance(tick.load, NoLoad):
        return Verdict(
            "Unknown",
            tick.load.reason,
            "The servers take the batch size over by themselves; whether they did is not known:"
            f" {tick.load.message.rstrip('.')}.",
        )
    generation = config_map.read_generation(observed.config.text)
    reported = [_find_generation(pod, tick) for pod in ready]
    if any(found not in (None, generation) for found in reported):
        return Verdict(
            "False", Reason.BATCH_SIZE_PENDING, "Servers are taking over the batch size: wait."
        )
    if None in reported:
        return Verdict(
            "Unknown",
            Reason.SERIES_MISSING,
            "Prometheus does not know yet what every ready server has taken over.",
        )
    return Verdict("True", Reason.BATCH_SIZE_REPORTED, "Every ready server reports it.")


def find_applied_size(observed: Observed, tick: Tick) -> int | None:
    """Return the batch size that all ready servers report, None when they differ or are silent."""
    loads = [tick.find_pod(pod.name) for pod in observed.pods if pod.is_ready]
    sizes = {load.batch_size_limit if load else None for load in loads}
    return sizes.pop() if len(sizes) == 1 else None


def _must_be_told(
    pod: ObservedPod, config: ObservedConfig, generation: int, tick: Tick, now: datetime
) -> bool:
    reported = _find_generation(pod, tick)
    if reported == generation:
        return False
    if pod.told_generation != generation or pod.told_at is None:
        return generation > 1
    if reported is None:
        return False
    told_at = status.parse_time(pod.told_at)
    waited_s = (told_at - status.parse_time(config.written_at or pod.told_at)).total_seconds()
    is_due = (now - told_at).total_seconds() >= max(FIRST_RETELLING_S, waited_s)
    return is_due and _reported_at(pod, tick) > told_at.timestamp() + TAKE_OVER_S


def _find_generation(pod: ObservedPod, tick: Tick) -> int | None:
    load = tick.find_pod(pod.name)
    return load.config_generation if load else None


def _reported_at(pod: ObservedPod, tick: Tick) -> float:
    load = tick.find_pod(pod.name)
    return tick.load.at - load.age_s if load else 0.0
