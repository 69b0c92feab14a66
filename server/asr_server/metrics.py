"""Every metric of the server, declared once. The names are a contract with operator and alerts.

Nothing is measured here; main builds these with a registry of their own. Series that will be used
exist from the start, so that the first event is an increase and not the birth of a series.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_LATENCY_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60, 300)
_WAIT_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120)
_BATCH_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_AUDIO_S = (1, 2, 5, 10, 20, 40, 60, 120, 240, 600, 1200, 3600)
_RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)
_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Tally(Collector):
    """A counter for what one thread counts for each message: an addition, without a lock."""

    def __init__(
        self, name: str, about: str, label: str, values: Iterable[str], registry: CollectorRegistry
    ) -> None:
        self._name, self._about, self._labelnames = name, about, (label,)
        self.counts = dict.fromkeys(values, 0.0)
        """By the value of the label."""
        registry.register(self)

    def collect(self) -> list[CounterMetricFamily]:
        """Return the metric as it is now."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labelnames)
        for value, count in self.counts.items():
            family.add_metric((value,), count)
        return [family]

    def describe(self) -> list[CounterMetricFamily]:
        """Return what the registry has to know of it."""
        return self.collect()


class SessionMetrics:
    """What clients ask for and what they get."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received_audio_s = Tally(
            "asr_received_audio_seconds_total",
            "Audio seconds of inputs to be recognised: demand, whatever becomes of it.",
            "class",
            ("file", "final"),
            registry,
        )
        self.received_items = Counter(
            "asr_received_items_total",
            "Inputs to be recognised: file, or final for live ones.",
            ["class"],
            registry=registry,
        )
        self.refused_sessions = Counter(
            "asr_refused_sessions_total", "Sessions refused.", ["reason"], registry=registry
        )
        self.sessions = Gauge(
            "asr_sessions", "Open sessions; each has one state.", ["state"], registry=registry
        )
        self.session_limit = Gauge(
            "asr_session_limit", "Sessions that are accepted at a time.", registry=registry
        )
        self.audio_s = Counter(
            "asr_audio_seconds_total",
            "Audio seconds of finals sent.",
            ["class"],
            registry=registry,
        )
        self.utterances = Counter(
            "asr_utterances_total",
            "Utterances answered, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.final_latency_s = Histogram(
            "asr_final_latency_seconds",
            "From the end of an offline input, or from when the end of live speech can be known, "
            "to its final sent.",
            ["mode"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.first_partial_s = Histogram(
            "asr_first_partial_seconds",
            "From the start of live speech to its first partial.",
            ["mode"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.partial_lag_s = Histogram(
            "asr_partial_lag_seconds",
            "From the newest audio in a partial to the partial sent.",
            ["mode"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        for metric in (self.received_items, self.audio_s):
            for item_class in ("file", "final"):
                metric.labels(item_class)
        for outcome in ("ok", "empty", "failed", "refused"):
            self.utterances.labels(outcome)
        for reason in ("full", "address", "overloaded", "unauthorized", "draining", "loading"):
            self.refused_sessions.labels(reason)
        self.final_latency_s.labels("offline")
        for latency in (self.final_latency_s, self.first_partial_s, self.partial_lag_s):
            for mode in ("online", "2pass"):
                latency.labels(mode)


class EngineMetrics:
    """What the engine does with it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        stage = ["stage"]
        self.queue_wait_s = Histogram(
            "asr_queue_wait_seconds",
            "How long an item waited for a batch of a stage.",
            ["class"],
            buckets=_WAIT_S,
            registry=registry,
        )
        self.queue_audio_s = Gauge(
            "asr_queue_audio_seconds", "Audio not answered yet.", ["class"], registry=registry
        )
        self.batch_size = Histogram(
            "asr_batch_size", "Items in a batch.", stage, buckets=_SIZES, registry=registry
        )
        self.batch_audio_s = Histogram(
            "asr_batch_audio_seconds",
            "Padded audio seconds in a batch.",
            stage,
            buckets=_AUDIO_S,
            registry=registry,
        )
        self.batch_fill = Histogram(
            "asr_batch_fill_ratio",
            "Audio in a batch, as a share of what was computed.",
            stage,
            buckets=_RATIOS,
            registry=registry,
        )
        self.batch_s = Histogram(
            "asr_batch_seconds",
            "Time of the engine for a batch; batches that run side by side share it.",
            stage,
            buckets=_BATCH_S,
            registry=registry,
        )
        self.batch_release = Counter(
            "asr_batch_release_total",
            "Batches, by what closed them.",
            ["stage", "reason"],
            registry=registry,
        )
        self.stage_s = Histogram(
            "asr_stage_seconds",
            "How long an item spent in a stage, waiting included.",
            stage,
            buckets=_WAIT_S,
            registry=registry,
        )
        self.busy_s = Counter(
            "asr_engine_busy_seconds_total",
            "Time in which at least one batch ran.",
            registry=registry,
        )
        self.restarts = Counter(
            "asr_engine_restarts_total", "Times the engine was started again.", registry=registry
        )
        self.out_of_memory = Counter(
            "asr_oom_total", "Times the device ran out of memory.", registry=registry
        )
        self.shed = Counter(
            "asr_shed_total",
            "What was left undone because live speech was late: partials of 2pass not computed,"
            " files that had to wait. Sessions are in asr_refused_sessions_total.",
            ["what"],
            registry=registry,
        )
        self.shedding_step = Gauge(
            "asr_shedding_step",
            "0: nothing is shed; 1: partials come less often; 2: there are none in 2pass;"
            " 3: files wait; 4: new sessions are refused.",
            registry=registry,
        )
        for what in ("partial", "file"):
            self.shed.labels(what)
        for item_class in ("final", "partial", "file"):
            self.queue_wait_s.labels(item_class)
        by_stage = (self.batch_size, self.batch_audio_s, self.batch_fill, self.batch_s)
        for name in ("vad", "asr", "asr_online", "punc"):
            for metric in (*by_stage, self.stage_s):
                metric.labels(name)
            for reason in ("size", "audio", "slack", "idle"):
                self.batch_release.labels(name, reason)


class ServerMetrics:
    """The server itself: who it is, what it is configured to, how loaded it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.info = Gauge(
            "asr_server_info",
            "Who this server is.",
            ["asr_namespace", "asr_service", "asr_pod", "version", "device", "model"],
            registry=registry,
        )
        self.config_generation = Gauge(
            "asr_config_generation", "Generation of the live configuration.", registry=registry
        )
        self.config_errors = Counter(
            "asr_config_errors_total", "Bad live configurations seen.", registry=registry
        )
        self.batch_size_limit = Gauge(
            "asr_batch_size_limit", "Items in one batch at most.", registry=registry
        )
        self.batch_audio_limit_s = Gauge(
            "asr_batch_audio_limit_seconds", "Padded seconds in one batch.", registry=registry
        )
        self.max_wait_s = Gauge(
            "asr_max_wait_seconds", "How long an idle engine waits.", registry=registry
        )
        self.loop_lag_s = Histogram(
            "asr_event_loop_lag_seconds",
            "How much later than asked for the event loop wakes.",
            buckets=_LAG_S,
            registry=registry,
        )
        self.stream_limit = Gauge(
            "asr_stream_limit",
            "Live streams with which newcomers have to wait: it follows from how many were carried;"
            " +Inf: there is no limit.",
            registry=registry,
        )
        self.waiting_sessions = Gauge(
            "asr_waiting_sessions",
            "Newcomers that wait to be let in, some seconds at most.",
            registry=registry,
        )
        self.cpu_limited_s = Counter(
            "asr_cpu_limited_seconds_total",
            "CPU seconds used, over the CPUs that the limit of the container allows: it grows by 1"
            " a second where all is used. Still without a limit.",
            registry=registry,
        )
        self.saturation = Gauge(
            "asr_saturation",
            "The largest of: engine duty, sessions / limit, audio buffer in use.",
            registry=registry,
        )


class GpuMetrics:
    """The GPU. Made when one is read for the first time: without a GPU there are no such series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.utilization = Gauge(
            "asr_gpu_utilization_ratio",
            "Share of the time that the GPU runs kernels, of whomever, by NVML.",
            registry=registry,
        )
        self.memory_used_bytes = Gauge(
            "asr_gpu_memory_used_bytes",
            "GPU memory in use, by whomever, by NVML.",
            registry=registry,
        )


class Metrics:
    """All metrics, in one registry."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # series that nobody reads
        self.registry = CollectorRegistry()
        self.session = SessionMetrics(self.registry)
        self.engine = EngineMetrics(self.registry)
        self.server = ServerMetrics(self.registry)
