"""The operator's own metrics. Their names are an interface: dashboards and alerts use them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Like asr_server_info: a target's own labels (namespace, service, pod) would hide these.
_SERVICE = ("asr_namespace", "asr_service")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service as its status has it; `conditions` are triples of type, status and reason.

    The share `objective_ratio` of finals is to be sent within `objective_s`.
    """

    desired_replicas: int
    desired_batch_size: int
    objective_s: float
    objective_ratio: float
    conditions: tuple[tuple[str, str, str], ...] = ()


class ServiceMetrics:
    """What each service is told and how it is; a service that is gone leaves no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.desired_replicas = Gauge(
            "asr_operator_desired_replicas",
            "Server pods that the Deployment is told to run.",
            _SERVICE,
            registry=registry,
        )
        self.desired_batch_size = Gauge(
            "asr_operator_desired_batch_size",
            "The largest batch that the servers are told to form.",
            _SERVICE,
            registry=registry,
        )
        self.objective_s = Gauge(
            "asr_operator_final_latency_objective_seconds",
            "Within which time finals are to be sent.",
            _SERVICE,
            registry=registry,
        )
        self.objective_ratio = Gauge(
            "asr_operator_final_latency_objective_ratio",
            "Which share of finals is to be sent within that time.",
            _SERVICE,
            registry=registry,
        )
        self.condition = Gauge(
            "asr_operator_condition",
            "1 for the status and reason that a condition has.",
            [*_SERVICE, "type", "status", "reason"],
            registry=registry,
        )
        self.decisions = Counter(
            "asr_operator_decisions",
            "Changes that the autoscaler made, by knob, direction and reason.",
            [*_SERVICE, "knob", "direction", "reason"],
            registry=registry,
        )
        self._all = tuple(vars(self).values())
        self._shown: dict[tuple[str, str], frozenset[tuple[str, str, str]]] = {}

    def report(self, namespace: str, service: str, state: ServiceState) -> None:
        """Show a service as it is now, and no condition that it no longer has."""
        self.desired_replicas.labels(namespace, service).set(state.desired_replicas)
        self.desired_batch_size.labels(namespace, service).set(state.desired_batch_size)
        self.objective_s.labels(namespace, service).set(state.objective_s)
        self.objective_ratio.labels(namespace, service).set(state.objective_ratio)
        key = (namespace, service)
        for former in self._shown.get(key, frozenset()).difference(state.conditions):
            self.condition.remove(*key, *former)
        for condition in state.conditions:
            self.condition.labels(*key, *condition).set(1)
        self._shown[key] = frozenset(state.conditions)

    def forget(self, namespace: str, service: str) -> None:
        """Show a service no longer."""
        labels = dict(zip(_SERVICE, (namespace, service), strict=True))
        for metric in self._all:
            metric.remove_by_labels(labels)
        self._shown.pop((namespace, service), None)


class SamplerMetrics:
    """How well Prometheus answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.errors = Counter(
            "asr_operator_sampler_errors",
            "Times that Prometheus gave no answer that could be used, by reason.",
            ["reason"],
            registry=registry,
        )
        self._age_s = Gauge(
            "asr_operator_metrics_age_seconds",
            "How long ago Prometheus last answered everything; NaN when nothing is asked.",
            registry=registry,
        )
        self._age_s.set(math.nan)

    def watch_age(self, age_s: Callable[[], float]) -> None:
        """Have the age of the last answers asked for at each scrape."""
        self._age_s.set_function(age_s)


class OperatorMetrics:
    """Metrics of the operator, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.services = ServiceMetrics(self.registry)
        self.sampler = SamplerMetrics(self.registry)
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
