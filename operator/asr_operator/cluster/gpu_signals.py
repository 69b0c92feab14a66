"""Which of the signals of how busy GPUs are is believed, and what it says of each pod. No I/O.

1. In this order: DCGM's SM_ACTIVE, GR_ENGINE_ACTIVE and GPU_UTIL, the server's own NVML gauge, and
   how busy its engine is. The later ones count a GPU as busy that does little.
2. One signal for all pods of a service: the first that every pod with a GPU has, as two mixed
   would make a mean of nothing. Attribution comes and goes; a mean must not with it. Where no
   signal is complete, the first there is.
3. A GPU that several pods share is busy with the work of all of them, whatever is asked. Only the
   engine's own time is the pod's then.
4. What is not from 0 to 1 is no utilization, but a sentinel, and absent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from asr_operator.cluster.load_rows import ServiceRows
from asr_operator.cluster.queries import GPU_DEVICE, GPU_SHARED, NVML_GAUGE, SIGNALS, Query

ENGINE_DUTY = "asr_engine_busy_seconds_total"
ORDER = (*SIGNALS, NVML_GAUGE, ENGINE_DUTY)


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """How busy GPUs are, by pod, by a signal; its name is that of its series, None for none."""

    signal: str | None = None
    is_shared: bool = False
    by_pod: Mapping[str, float] = field(default_factory=dict)


def choose_gpu_load(rows: ServiceRows, fresh: Collection[str]) -> GpuLoad:
    """Return what is believed of the GPUs of the pods that are scraped."""
    found = _collect(rows, fresh)
    with_gpu = found.get(GPU_DEVICE, {}).keys()
    is_shared = bool(found.get(GPU_SHARED))
    if with_gpu:
        duty = rows.by_pod(Query.DUTY)
        found[ENGINE_DUTY] = {pod: min(1.0, duty[pod]) for pod in with_gpu if pod in duty}
    order = (ENGINE_DUTY,) if is_shared else ORDER
    there = [signal for signal in order if found.get(signal)]
    needed = with_gpu or set(fresh)
    complete = [signal for signal in there if found[signal].keys() >= needed]
    signal = next(iter(complete or there), None)
    return GpuLoad(signal, is_shared, found[signal] if signal else {})


def _collect(rows: ServiceRows, fresh: Collection[str]) -> dict[str, dict[str, float]]:
    """Return ratios by signal and pod, and which pods have a GPU, or share one."""
    gauges = [row for row in rows.of(Query.GAUGES) if row.labels.metric == NVML_GAUGE]
    found: dict[str, dict[str, float]] = {}
    for row in (*rows.of(Query.GPU), *gauges):
        if 0 <= row.value <= 1 and row.labels.asr_pod in fresh:
            found.setdefault(row.labels.metric, {})[row.labels.asr_pod] = row.value
    return found
