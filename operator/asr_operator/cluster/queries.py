"""What Prometheus is asked about the load of all services at once, in PromQL.

Rules:
1. Servers are joined to their service on `instance`, through asr_server_info: what other labels a
   scrape adds (`pod`, `exported_pod`, none) does not matter. A join costs Prometheus more than a
   rate: what is a few numbers for each pod is asked for by `instance`, and joined by `load_rows`;
   it joins histograms and what is long ago, after adding up what it can.
2. A pod that is scraped twice counts once. An `instance` that two pods claim belongs to neither:
   a join on it would fail, and with it the query, for all services.
3. A rate that is NaN or beyond belief is left out: no pod spoils the sum of a service.
4. DCGM's series are asked for as they are: `gpu_signals` finds out whose they are, much faster.
5. Latencies of live speech and of files are questions of their own, since files are made to wait;
   those of files are asked for only while there is a service that has no others.
6. Nothing that users wrote enters a query. Their windows are rounded up to a few lengths, so that
   many services ask few questions; a shorter interval than two scrapes knows nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from asr_operator.autoscaler.service_model import MAIN_STAGE
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
    SESSIONS = "sessions"
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
    FILE_LATENCY = "file_latency"
    FILE_WAIT = "file_wait"
    PAST_BATCHES = "past_batches"
    PAST_AUDIO = "past_audio"
    PAST_BUSY = "past_busy"


GAUGED = (Query.SESSIONS, Query.GAUGES, Query.GPU)
INSTANT = (Query.PODS, *GAUGED)
OF_FILES = (Query.FILE_LATENCY, Query.FILE_WAIT)
OF_THE_PAST = (Query.PAST_BATCHES, Query.PAST_AUDIO, Query.PAST_BUSY)
WINDOWED = tuple(query for query in Query if query not in (*INSTANT, *OF_FILES, *OF_THE_PAST))


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


def _rate(counter: str) -> str:
    return f"rate({counter}[$window]) < 1e9"


def _per_instance(counter: str, label: str = "") -> str:
    """Leave `instance`, and add up over another label."""
    if not label:
        return f"max by (instance) ({_rate(counter)})"
    return f"sum by (instance) (max by (instance, {label}) ({_rate(counter)}))"


def _per_service(counter: str, label: str = "") -> str:
    """Add up without a step for each pod; what is scraped n times counts an nth each time."""
    kept = f", {label}" if label else ""
    weight = f"($identity / on (instance) group_left () count by (instance) ({_INFO}))"
    summed = f"sum by (instance{kept}) (rate({counter}[$window])) < 1e9"
    joined = f"({summed}) * on (instance) group_left ({_SERVICE}) {weight}"
    return f"sum by ({_SERVICE}{kept}) ({joined})"


_RECEIVED = _per_instance("asr_received_audio_seconds_total", "class")
_REFUSED = 'asr_refused_sessions_total{reason=~"full|overloaded"}'
_GAUGES = f"asr_session_limit|asr_config_generation|asr_batch_size_limit|{NVML_GAUGE}"
_MAIN = f'stage="{MAIN_STAGE}"'
_TEMPLATES: Mapping[str, str] = {
    IDENTITY: (
        f"(group by (instance, {_POD}) ({_INFO}) unless on (instance)"
        f" (count by (instance) (count by (instance, {_POD}) ({_INFO})) > 1))"
    ),
    Query.PODS: f"max by (instance, {_POD}, device) (timestamp({_INFO}))",
    Query.SESSIONS: "sum by (instance) (max by (instance, state) (asr_sessions))",
    Query.GAUGES: f'max by (instance, __name__) ({{__name__=~"{_GAUGES}"}})',
    Query.GPU: f'max by ({_GPU}) ({{__name__=~"{"|".join(SIGNALS)}", pod!=""}})',
    Query.DUTY: _per_instance("asr_engine_busy_seconds_total"),
    Query.CPU: _per_instance("asr_cpu_limited_seconds_total"),
    Query.RECEIVED_AUDIO: _RECEIVED,
    Query.RECEIVED_INPUTS: (f"max by (instance, class) ({_rate('asr_received_items_total')})"),
    Query.REFUSED: f"max by (instance, reason) ({_rate(_REFUSED)})",
    Query.PEAK_AUDIO: (
        f"max_over_time((sum by ({_SERVICE}) (max by ({_POD})"
        f" (({_RECEIVED}) * on (instance) group_left ({_POD}) $identity)))[$peak:$step])"
    ),
    Query.FINAL_LATENCY: _per_service('asr_final_latency_seconds_bucket{mode!="offline"}', "le"),
    Query.QUEUE_WAIT: _per_service('asr_queue_wait_seconds_bucket{class="final"}', "le"),
    Query.FILE_LATENCY: _per_service('asr_final_latency_seconds_bucket{mode="offline"}', "le"),
    Query.FILE_WAIT: _per_service('asr_queue_wait_seconds_bucket{class="file"}', "le"),
    Query.BATCHES: _per_instance(f"asr_batch_size_count{{{_MAIN}}}"),
    Query.BATCH_ITEMS: _per_instance(f"asr_batch_size_sum{{{_MAIN}}}"),
    Query.BATCH_AUDIO: _per_instance(f"asr_batch_audio_seconds_sum{{{_MAIN}}}"),
    Query.BATCH_BUSY: _per_instance("asr_batch_seconds_sum", "stage"),
    Query.BATCHES_BY_SIZE: _per_instance(f'asr_batch_release_total{{{_MAIN}, reason="size"}}'),
    Query.PAST_BATCHES: _per_service(f"asr_batch_size_count{{{_MAIN}}}"),
    Query.PAST_AUDIO: _per_service(f"asr_batch_audio_seconds_sum{{{_MAIN}}}"),
    Query.PAST_BUSY: _per_service("asr_batch_seconds_sum"),
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
    allowed = {IDENTITY} if name in INSTANT else {IDENTITY, "window", "peak", "step"}
    for found in PLACEHOLDER.findall(template):
        if name == IDENTITY or found not in allowed:
            raise SettingsError(f"prometheus-queries-file: {name} must not contain ${found}")
