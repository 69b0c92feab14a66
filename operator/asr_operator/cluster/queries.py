"""What Prometheus is asked about the load of all services at once, in PromQL.

Rules:
1. Servers are joined to their service on `instance`, through asr_server_info: what other labels a
   scrape adds (`pod`, `exported_pod`, none) does not matter.
2. A pod that is scraped twice counts once. An `instance` that two pods claim belongs to neither:
   a join on it would fail, and with it the query, for all services.
3. A rate that is NaN or beyond belief is left out: no pod spoils the sum of a service.
4. DCGM's series are asked for as they are: `gpu_signals` finds out whose they are, much faster.
5. What a pod has several series of is added up before the join, which costs more than a rate.
6. Nothing that users wrote enters a query. Their windows are rounded up to a few lengths, so that
   many services ask few questions; a shorter interval than two scrapes knows nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from asr_operator.settings import SettingsError

WINDOWS_S = (5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600)
PEAK_STEPS = 16
SHORTEST_PEAK_STEP_S = 5

# DCGM's signals of how busy a GPU is, the most telling first; the last is a percentage.
SIGNALS = ("DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL")
NVML_GAUGE = "asr_gpu_utilization_ratio"

PLACEHOLDER = re.compile(r"\$([a-z]\w*)")
IDENTITY = "identity"


class Query(StrEnum):
    """The questions; those that no window belongs to come first, then those that take longest."""

    PODS = "pods"
    GAUGES = "gauges"
    GPU = "gpu"
    FINAL_LATENCY = "final_latency"
    QUEUE_WAIT = "queue_wait"
    PEAK_AUDIO = "peak_audio"
    DUTY = "duty"
    CPU = "cpu"
    RECEIVED_AUDIO = "received_audio"
    RECEIVED_INPUTS = "received_inputs"
    REFUSED = "refused"
    BATCHES = "batches"
    BATCH_ITEMS = "batch_items"
    BATCH_AUDIO = "batch_audio"
    BATCH_BUSY = "batch_busy"
    BATCHES_BY_SIZE = "batches_by_size"


INSTANT = (Query.PODS, Query.GAUGES, Query.GPU)
WINDOWED = tuple(query for query in Query if query not in INSTANT)


@dataclass(frozen=True, slots=True, order=True)
class Windows:
    """How far back rates look, and how far back the highest of them is sought."""

    window_s: int
    peak_s: int


def choose_windows(window_s: float, peak_s: float) -> Windows:
    """Return the shortest of our windows that cover those asked for, or the longest there are."""
    return Windows(_round_up(window_s), _round_up(peak_s))


def _round_up(seconds: float) -> int:
    return next((length for length in WINDOWS_S if length >= seconds), WINDOWS_S[-1])


_INFO = 'asr_server_info{asr_namespace!="", asr_service!=""}'
_POD = "asr_namespace, asr_service, asr_pod"
_SERVICE = "asr_namespace, asr_service"
_GPU = "__name__, UUID, GPU_I_ID, pod, namespace, exported_pod, exported_namespace"


def _per_pod(series: str, labels: str = "") -> str:
    joined = f"({series}) * on (instance) group_left ({_POD}) $identity"
    return f"max by ({_POD}{labels}) ({joined})"


def _rate(counter: str) -> str:
    return f"rate({counter}[$window]) < 1e9"


def _rate_per_pod(counter: str, label: str) -> str:
    return _per_pod(f"sum by (instance) (max by (instance, {label}) ({_rate(counter)}))")


def _rate_per_service(counter: str, label: str) -> str:
    """Add up without a step for each pod; what is scraped n times counts an nth each time."""
    weight = f"($identity / on (instance) group_left () count by (instance) ({_INFO}))"
    summed = f"sum by (instance, {label}) (rate({counter}[$window])) < 1e9"
    joined = f"({summed}) * on (instance) group_left ({_SERVICE}) {weight}"
    return f"sum by ({_SERVICE}, {label}) ({joined})"


_GAUGES = f"asr_sessions|asr_session_limit|asr_config_generation|asr_batch_size_limit|{NVML_GAUGE}"
_TEMPLATES: Mapping[str, str] = {
    IDENTITY: (
        f"(group by (instance, {_POD}) ({_INFO}) unless on (instance)"
        f" (count by (instance) (count by (instance, {_POD}) ({_INFO})) > 1))"
    ),
    Query.PODS: f"max by ({_POD}, device) (timestamp({_INFO}))",
    Query.GAUGES: _per_pod(
        f'label_replace({{__name__=~"{_GAUGES}"}}, "metric", "$1", "__name__", "(.+)")',
        ", metric, state",
    ),
    Query.GPU: f'max by ({_GPU}) ({{__name__=~"{"|".join(SIGNALS)}", pod!=""}})',
    Query.DUTY: _per_pod(_rate("asr_engine_busy_seconds_total")),
    Query.CPU: _per_pod(_rate("asr_cpu_limited_seconds_total")),
    Query.RECEIVED_AUDIO: _rate_per_pod("asr_received_audio_seconds_total", "class"),
    Query.RECEIVED_INPUTS: _rate_per_pod("asr_received_items_total", "class"),
    Query.REFUSED: _per_pod(
        _rate('asr_refused_sessions_total{reason=~"full|overloaded"}'), ", reason"
    ),
    Query.PEAK_AUDIO: (
        f"max_over_time((sum by ({_SERVICE})"
        f" ({_rate_per_pod('asr_received_audio_seconds_total', 'class')}))[$peak:$step])"
    ),
    Query.FINAL_LATENCY: _rate_per_service("asr_final_latency_seconds_bucket", "le"),
    Query.QUEUE_WAIT: _rate_per_service("asr_queue_wait_seconds_bucket", "le"),
    Query.BATCHES: _rate_per_service("asr_batch_size_count", "stage"),
    Query.BATCH_ITEMS: _rate_per_service("asr_batch_size_sum", "stage"),
    Query.BATCH_AUDIO: _rate_per_service("asr_batch_audio_seconds_sum", "stage"),
    Query.BATCH_BUSY: _rate_per_service("asr_batch_seconds_sum", "stage"),
    Query.BATCHES_BY_SIZE: _rate_per_service('asr_batch_release_total{reason="size"}', "stage"),
}


@dataclass(frozen=True, slots=True)
class Queries:
    """PromQL by name, in which $window, $peak, $step and $identity stand for what is filled in."""

    templates: Mapping[str, str]

    def render(self, query: Query, windows: Windows | None) -> str:
        """Return the PromQL of a question; those that are `INSTANT` need no windows."""
        values = {IDENTITY: self.templates[IDENTITY]}
        if windows is not None:
            step_s = max(windows.peak_s // PEAK_STEPS, windows.window_s // 2, SHORTEST_PEAK_STEP_S)
            lengths_s = {"window": windows.window_s, "peak": windows.peak_s, "step": step_s}
            values |= {name: f"{length_s}s" for name, length_s in lengths_s.items()}
        return PLACEHOLDER.sub(lambda found: values[found[1]], self.templates[query])


def load_queries(path: Path | None) -> Queries:
    """Return our queries, replaced by those of a file, if any; raise `SettingsError`."""
    if path is None:
        return Queries(_TEMPLATES)
    try:
        given = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"prometheus-queries-file {path} cannot be read: {error}") from None
    if not isinstance(given, dict):
        raise SettingsError(f"prometheus-queries-file {path} must hold a JSON object")
    for name, template in given.items():
        _check_template(name, template)
    return Queries({**_TEMPLATES, **given})


def _check_template(name: str, template: object) -> None:
    if name not in _TEMPLATES:
        known = ", ".join(_TEMPLATES)
        raise SettingsError(f"prometheus-queries-file: no query is called {name!r}, but {known}")
    if not isinstance(template, str) or not template.strip():
        raise SettingsError(f"prometheus-queries-file: {name} must be PromQL")
    allowed = {IDENTITY, "window", "peak", "step"} if name in WINDOWED else {IDENTITY}
    for found in PLACEHOLDER.findall(template):
        if name == IDENTITY or found not in allowed:
            raise SettingsError(f"prometheus-queries-file: {name} must not contain ${found}")
