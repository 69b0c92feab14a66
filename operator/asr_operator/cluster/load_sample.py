"""What the answers of Prometheus say about the load of one service. No I/O: rows in, a sample out.

1. A pod whose last sample is too old has nothing but its age.
2. Who found a server full counts as demand. Who was refused because a server is late does so only
   where engines are busy: beside idle ones he is received at his next try, and counted there.
3. Latency is that of live speech wherever any was answered: files are made to wait for it, and ask
   for no servers on its account. Where there were files alone, it is theirs.
"""

import math
from collections.abc import Collection, Mapping

from asr_operator.api.names import Reason
from asr_operator.autoscaler.replica_policy import LEAST_DUTY_RATIO
from asr_operator.autoscaler.service_model import MAIN_STAGE
from asr_operator.cluster import gpu_signals
from asr_operator.cluster.gpu_signals import GpuLoad
from asr_operator.cluster.load_rows import Answers, ServiceRows, is_known
from asr_operator.cluster.queries import Query
from asr_operator.cluster.work_queue import Key
from asr_operator.state import quantiles
from asr_operator.state.load import LoadQuestion, LoadSample, NoLoad, PodLoad, StageLoad
from asr_operator.state.quantiles import Bucket

OVERLOADED = "overloaded"


def build_load(
    key: Key, question: LoadQuestion, answers: Answers, now: float
) -> LoadSample | NoLoad:
    """Return what is known of a service at `now`, by the operator's clock."""
    rows = ServiceRows(key, answers)
    ages_s = {
        pod: max(0.0, now - answers.at + answers.prometheus_at - sampled_at)
        for pod, sampled_at in rows.by_pod(Query.PODS).items()
    }
    fresh = {pod for pod, age_s in ages_s.items() if age_s <= question.stale_s}
    if not ages_s:
        return NoLoad(answers.at, Reason.SERIES_MISSING, _explain_missing(key))
    if not fresh:
        return NoLoad(answers.at, Reason.SERIES_STALE, _explain_stale(question))
    demand = _compute_demand(rows, fresh)
    total = math.fsum(demand.values()) if demand else None
    window_s = float(answers.windows.window_s)
    latency, waits = _read_latency(rows)
    finals = quantiles.count_observations(latency)
    gpus = gpu_signals.choose_gpu_load(rows, fresh, question.new_pods)
    return LoadSample(
        at=answers.at,
        window_s=window_s,
        pods=_read_pods(rows, ages_s, demand, gpus, question.stale_s),
        demand_audio_ratio=total,
        demand_peak_ratio=_find_peak(rows, total),
        refused_per_s=_add_up(_read_refused(rows), fresh),
        finals=None if finals is None else finals * window_s,
        late_ratio=quantiles.compute_share_above(question.objective_s, latency),
        final_latency_s=quantiles.compute_quantile(question.quantile, latency),
        queue_wait_s=quantiles.compute_quantile(question.quantile, waits),
        stages=_read_stages(rows),
        gpu_signal=gpus.signal,
        gpus_are_shared=gpus.is_shared,
    )


def _read_latency(rows: ServiceRows) -> tuple[list[Bucket], list[Bucket]]:
    """Return the buckets of final latency and of queue wait."""
    live, of_files = rows.buckets(Query.FINAL_LATENCY), rows.buckets(Query.FILE_LATENCY)
    if quantiles.count_observations(live) or not quantiles.count_observations(of_files):
        return live, rows.buckets(Query.QUEUE_WAIT)
    return of_files, rows.buckets(Query.FILE_WAIT)


def _compute_demand(rows: ServiceRows, fresh: set[str]) -> dict[str, float]:
    audio = rows.by_pod(Query.RECEIVED_AUDIO)
    inputs = _add_up(_read_by_pod(rows, Query.RECEIVED_INPUTS), fresh)
    without = {OVERLOADED} if _has_idle_engines(rows, fresh) else set()
    refused = _read_refused(rows, without)
    total = _add_up(audio, fresh)
    audio_per_input_s = total / inputs if total and inputs else 0.0
    return {
        pod: audio[pod] + refused.get(pod, 0.0) * audio_per_input_s
        for pod in sorted(fresh.intersection(audio))
    }


def _has_idle_engines(rows: ServiceRows, fresh: set[str]) -> bool:
    """Return whether engines are idle for most of the time, as latency votes have it."""
    duty = [min(1.0, ratio) for pod, ratio in rows.by_pod(Query.DUTY).items() if pod in fresh]
    return bool(duty) and math.fsum(duty) / len(duty) < LEAST_DUTY_RATIO


def _read_refused(rows: ServiceRows, without: Collection[str] = ()) -> dict[str, float]:
    """Return the sessions refused per second by pod, for all reasons but some."""
    return _read_by_pod(rows, Query.REFUSED, without)


def _read_by_pod(
    rows: ServiceRows, query: Query, without: Collection[str] = ()
) -> dict[str, float]:
    """Return the sum by pod over the series that a pod has, but for some reasons."""
    kinds: dict[tuple[str, str, str], float] = {}
    for row in rows.of(query):
        if is_known(row.value) and row.labels.reason not in without:
            kind = (row.pod, row.labels.reason, row.labels.item_class)
            kinds[kind] = max(row.value, kinds.get(kind, 0.0))
    found: dict[str, float] = {}
    for (pod, _, _), value in kinds.items():
        found[pod] = found.get(pod, 0.0) + value
    return found


def _read_pods(
    rows: ServiceRows,
    ages_s: Mapping[str, float],
    demand: Mapping[str, float],
    gpus: GpuLoad,
    stale_s: float,
) -> tuple[PodLoad, ...]:
    duty, cpu = rows.by_pod(Query.DUTY), rows.by_pod(Query.CPU)
    sessions, gauges = rows.by_pod(Query.SESSIONS), rows.gauges()
    pods = []
    for pod, age_s in sorted(ages_s.items()):
        if age_s > stale_s:
            pods.append(PodLoad(pod, age_s))
            continue
        found = gauges.get(pod, {})
        pods.append(
            PodLoad(
                pod=pod,
                age_s=age_s,
                sessions=sessions.get(pod),
                session_limit=found.get("asr_session_limit"),
                demand_audio_ratio=demand.get(pod),
                duty_ratio=duty.get(pod),
                cpu_ratio=cpu.get(pod),
                gpu_ratio=gpus.by_pod.get(pod),
                config_generation=_whole(found.get("asr_config_generation")),
                batch_size_limit=_whole(found.get("asr_batch_size_limit")),
            )
        )
    return tuple(pods)


def _read_stages(rows: ServiceRows) -> tuple[StageLoad, ...]:
    batches, items = rows.add_up(Query.BATCHES), rows.add_up(Query.BATCH_ITEMS)
    audio, busy = rows.add_up(Query.BATCH_AUDIO), rows.add_up(Query.BATCH_BUSY)
    if batches is None or items is None or audio is None or busy is None:
        return ()
    by_size = rows.add_up(Query.BATCHES_BY_SIZE) or 0.0
    size_bound_ratio = min(1.0, by_size / batches) if batches else 0.0
    return (StageLoad(MAIN_STAGE, batches, items, audio, busy, size_bound_ratio),)


def _find_peak(rows: ServiceRows, demand: float | None) -> float | None:
    peaks = [series.value for series in rows.of(Query.PEAK_AUDIO) if is_known(series.value)]
    return max((*peaks, *(() if demand is None else (demand,))), default=None)


def _add_up(by_pod: Mapping[str, float], fresh: set[str]) -> float | None:
    known = [value for pod, value in by_pod.items() if pod in fresh]
    return math.fsum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _explain_missing(key: Key) -> str:
    return (
        f"Prometheus has no asr_server_info of {'/'.join(key)}; have it scrape the server pods"
        " (port probes, path /metrics), or look at its targets"
    )


def _explain_stale(question: LoadQuestion) -> str:
    return (
        f"the last samples of all server pods are older than {question.stale_s:g} s; look at"
        " Prometheus' targets, or raise autoscaling.behavior.staleSeconds above its scrape interval"
    )
