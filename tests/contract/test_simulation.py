"""The simulation counts as the server does."""

from prometheus_client import CollectorRegistry

from asr_operator.simulation import columns
from asr_server.metrics import EngineMetrics, SessionMetrics


def bounds(histogram):
    return tuple(histogram._upper_bounds[:-1])


def test_histograms_have_the_buckets_of_the_server():
    latency = SessionMetrics(CollectorRegistry()).final_latency_s
    wait = EngineMetrics(CollectorRegistry()).queue_wait_s
    assert bounds(latency.labels("offline")) == columns.LATENCY_BOUNDS_S
    assert bounds(wait.labels("file")) == columns.WAIT_BOUNDS_S
