"""The operator's own metrics. Their names are an interface: dashboards and alerts use them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class OperatorMetrics:
    """Metrics of the reconciles, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "asr_operator_reconcile_seconds",
            "Time of one reconcile of an AsrService.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.reconcile_errors = Counter(
            "asr_operator_reconcile_errors",
            "Reconciles that failed and are tried again.",
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "asr_operator_queue_depth",
            "AsrServices that wait for a worker.",
            registry=self.registry,
        )

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Have the queue depth asked for at each scrape."""
        self._queue_depth.set_function(depth)
