"""HorizontalPodAutoscaler (autoscaling/v2), and KEDA, which feeds one.

Source: kubernetes/website, horizontal-pod-autoscale.md: ratio with a tolerance of 0.1, pods that
are not ready count nothing when scaling up, the highest recommendation of 300 s when scaling down,
by default up by 100 % or 4 pods per 15 s, and down by 100 % per 15 s. KEDA asks Prometheus every
30 s, and the HPA sees the answer (keda-docs, scalers/prometheus.md).
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_operator.api.autoscaling import DemandWindows
from asr_operator.simulation import columns
from asr_operator.simulation.policies import View, Wanted
from asr_operator.state import quantiles

TOLERANCE = 0.1
SYNC_S = 15.0
POLL_S = 30.0
MOST_PODS, MOST_PERCENT = 4, 100
LATENCY_WINDOWS = DemandWindows(window_s=60)


def scale_by_pod_metric(mean: float, target: float, ready: int, unready: int) -> int:
    """Return the recommendation for a mean over the ready pods (type Pods or Resource)."""
    ratio = mean / target
    if abs(ratio - 1) <= TOLERANCE:
        return ready + unready
    if ratio < 1 or not unready:
        return math.ceil(ratio * ready)
    ratio = mean * ready / (ready + unready) / target
    if ratio <= 1 + TOLERANCE:
        return ready + unready
    return math.ceil(ratio * (ready + unready))


def scale_by_value(value: float, target: float, replicas: int, ready: int) -> int:
    """Return the recommendation for one value of the service (type External, Value)."""
    ratio = value / target
    return replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * ready)


def scale_by_total(total: float, target: float, replicas: int) -> int:
    """Return the recommendation for a sum over the service (type External, AverageValue)."""
    ratio = total / (target * replicas)
    return replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(total / target)


@dataclass(slots=True)
class Stabilizer:
    """What an HPA does with its recommendations, given its behavior."""

    most: int
    down_window_s: float = 300.0
    recommended: deque[tuple[float, int]] = field(default_factory=deque)

    def limit(self, recommendation: int, replicas: int, now: float) -> int:
        """Return the replicas to set."""
        self.recommended.append((now, recommendation))
        while self.recommended[0][0] < now - self.down_window_s:
            self.recommended.popleft()
        wanted = recommendation
        if wanted < replicas:
            wanted = min(replicas, max(each for _, each in self.recommended))
        fastest = max(replicas + MOST_PODS, math.ceil(replicas * (1 + MOST_PERCENT / 100)))
        return max(1, min(self.most, wanted, fastest))


@dataclass(slots=True)
class Hpa:
    """An HPA that recommends by `recommend`, which returns None where nothing is known."""

    recommend: Callable[[View], int | None]
    stabilizer: Stabilizer
    batch_size: int
    interval_s: float = SYNC_S

    def decide(self, view: View) -> Wanted:
        """Decide as one sync of the HPA does."""
        replicas = view.fleet.desired
        recommendation = self.recommend(view)
        if recommendation is not None:
            replicas = self.stabilizer.limit(recommendation, replicas, view.now)
        return Wanted(replicas, self.batch_size)


def on_gpu(target: float) -> Callable[[View], int | None]:
    """Scale on GPU utilization as the scrapes of the last 30 s tell it."""

    def recommend(view: View) -> int | None:
        window = view.telemetry.find_window(view.now, POLL_S + SYNC_S)
        ready, fleet = len(view.fleet.ready), view.fleet
        if window is None or not ready:
            return None
        mean = min(1.0, window.rates[columns.BUSY] / ready)
        return scale_by_pod_metric(mean, target, ready, fleet.unready)

    return recommend


def on_sessions(target: float) -> Callable[[View], int | None]:
    """Scale on open sessions for each replica, as the last scrape tells them."""

    def recommend(view: View) -> int | None:
        if not view.telemetry.scrapes:
            return None
        total = sum(view.telemetry.scrapes[-1].sessions.values())
        return scale_by_total(total, target, view.fleet.desired)

    return recommend


@dataclass(slots=True)
class KedaLatency:
    """KEDA on the 95th percentile of the latency, metricType Value; no answer is no load."""

    threshold_s: float
    asked_at: float = float("-inf")
    latency_s: float = 0.0

    def __call__(self, view: View) -> int | None:
        """Return the recommendation; KEDA polls every second sync only."""
        if view.now - self.asked_at >= POLL_S:
            window = view.telemetry.find_window(view.now, LATENCY_WINDOWS.window_s)
            if window is None:
                return None
            buckets = window.buckets(columns.LATENCIES, columns.LATENCY_BOUNDS_S)
            self.latency_s = quantiles.compute_quantile(0.95, buckets) or 0.0
            self.asked_at = view.now
        ready = len(view.fleet.ready)
        return scale_by_value(self.latency_s, self.threshold_s, view.fleet.desired, ready)
