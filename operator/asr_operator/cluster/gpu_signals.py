"""Which of the signals of how busy GPUs are is believed, and what it says of each pod. No I/O.

1. In this order: DCGM's SM_ACTIVE, GR_ENGINE_ACTIVE and GPU_UTIL, the server's own NVML gauge, and
   how busy its engine is. The later ones count a GPU as busy that does little.
2. One signal for all pods of a service: the first that every pod with a GPU has, as two mixed
   would make a mean of nothing. Attribution comes and goes; a mean must not with it. Where no
   signal is complete, the first there is. New pods are not waited for: DCGM names them late, and a
   lesser signal just then would ask for still more.
3. A GPU that several pods share is busy with the work of all of them, whatever is asked. Only the
   engine's own time is the pod's then.
4. What is not from 0 to 1 is no utilization, but a sentinel, and absent.
5. DCGM's series belong to the pod `exported_pod`, where Prometheus' own label `pod` won over
   DCGM's, else to `pod`.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from asr_operator.cluster.answers import Labels, Row
from asr_operator.cluster.load_rows import Series, ServiceRows, Table, explain_unusable
from asr_operator.cluster.queries import NVML_GAUGE, SIGNALS, Query
from asr_operator.cluster.work_queue import Key

ENGINE_DUTY = "asr_engine_busy_seconds_total"
ORDER = (*SIGNALS, NVML_GAUGE, ENGINE_DUTY)
PERCENTAGE = SIGNALS[-1]
SHARED = Labels(name="shared")


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """How busy GPUs are, by pod, by a signal; its name is that of its series, None for none."""

    signal: str | None = None
    is_shared: bool = False
    by_pod: Mapping[str, float] = field(default_factory=dict)


def index_gpus(rows: Iterable[Row]) -> Table:
    """Return DCGM's rows by namespace and pod, and one more for each pod that shares a GPU.

    Raises `PrometheusError` for rows that hold no numbers.
    """
    table: dict[Key, list[Series]] = {}
    holders: dict[tuple[str, str], set[Key]] = {}
    for row in rows:
        labels = row.metric
        owner = (
            labels.exported_namespace or labels.namespace,
            labels.exported_pod or labels.pod,
        )
        holders.setdefault((labels.gpu, labels.gpu_slice), set()).add(owner)
        try:
            value = float(row.value[1])
        except ValueError as error:
            raise explain_unusable(f"{Query.GPU}: {error}") from None
        table.setdefault(owner, []).append(Series(labels, value, owner[1]))
    crowded = [owners for (gpu, _), owners in holders.items() if gpu and len(owners) > 1]
    for owner in {owner for owners in crowded for owner in owners}:
        table[owner].append(Series(SHARED, 1.0, owner[1]))
    return table


def choose_gpu_load(
    rows: ServiceRows, fresh: Collection[str], new: frozenset[str] = frozenset()
) -> GpuLoad:
    """Return what is believed of the GPUs of the pods that are scraped; some of them may be new."""
    found = _collect(rows, fresh)
    with_gpu = {
        row.pod
        for row in rows.of(Query.PODS)
        if row.labels.device.startswith("cuda") and row.pod in fresh
    }
    if with_gpu:
        duty = rows.by_pod(Query.DUTY)
        found[ENGINE_DUTY] = {pod: min(1.0, duty[pod]) for pod in with_gpu if pod in duty}
    is_shared = any(row.labels is SHARED for pod in fresh for row in rows.of_pod(Query.GPU, pod))
    order = (ENGINE_DUTY,) if is_shared else ORDER
    there = [signal for signal in order if found.get(signal)]
    needed = with_gpu or set(fresh)
    awaited = (needed - new) or needed
    complete = [signal for signal in there if found[signal].keys() >= awaited]
    signal = next(iter(complete or there), None)
    return GpuLoad(signal, is_shared, found[signal] if signal else {})


def _collect(rows: ServiceRows, fresh: Collection[str]) -> dict[str, dict[str, float]]:
    """Return ratios by signal and pod; that of a pod with several GPUs is their mean."""
    found: dict[str, dict[str, float]] = {}
    for pod in fresh:
        ratios: dict[str, list[float]] = {}
        for row in rows.of_pod(Query.GPU, pod):
            ratio = row.value / 100 if row.labels.name == PERCENTAGE else row.value
            if row.labels is not SHARED and 0 <= ratio <= 1:
                ratios.setdefault(row.labels.name, []).append(ratio)
        for signal, each in ratios.items():
            found.setdefault(signal, {})[pod] = math.fsum(each) / len(each)
    for row in rows.of(Query.GAUGES):
        if row.labels.name == NVML_GAUGE and 0 <= row.value <= 1 and row.pod in fresh:
            found.setdefault(NVML_GAUGE, {})[row.pod] = row.value
    return found
