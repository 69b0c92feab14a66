"""What metrics grew by, and where the time went."""

import math

import pytest

from asr_server.bench import exposition, stages

BEFORE = """
# TYPE asr_batch_seconds histogram
asr_batch_seconds_bucket{stage="asr",le="0.1"} 1
asr_batch_seconds_bucket{stage="asr",le="0.2"} 1
asr_batch_seconds_bucket{stage="asr",le="+Inf"} 1
asr_batch_seconds_count{stage="asr"} 1
asr_batch_seconds_sum{stage="asr"} 0.05
# TYPE asr_engine_busy_seconds_total counter
asr_engine_busy_seconds_total 5
"""
AFTER = """
# TYPE asr_batch_seconds histogram
asr_batch_seconds_bucket{stage="asr",le="0.1"} 1
asr_batch_seconds_bucket{stage="asr",le="0.2"} 11
asr_batch_seconds_bucket{stage="asr",le="+Inf"} 11
asr_batch_seconds_count{stage="asr"} 11
asr_batch_seconds_sum{stage="asr"} 1.55
# TYPE asr_batch_size histogram
asr_batch_size_bucket{stage="asr",le="+Inf"} 10
asr_batch_size_count{stage="asr"} 10
asr_batch_size_sum{stage="asr"} 40
# TYPE asr_engine_busy_seconds_total counter
asr_engine_busy_seconds_total 6.5
"""


@pytest.fixture
def grown():
    return exposition.subtract(exposition.parse_page(BEFORE), exposition.parse_page(AFTER))


def test_a_histogram_is_what_it_took_in_since(grown):
    found = exposition.spread(grown, "asr_batch_seconds", stage="asr")
    assert (found.count, found.mean) == (10, pytest.approx(0.15))
    assert found.p95 == pytest.approx(0.195)
    assert exposition.spread(grown, "asr_batch_seconds", stage="vad") is None
    assert math.isinf(exposition.spread(grown, "asr_batch_size", stage="asr").p95)


def test_stages_that_did_something_are_told(grown):
    found = stages.break_down(grown)
    (asr,) = found.stages
    assert (asr.name, asr.batches, asr.items_mean, asr.item_p95_s) == ("asr", 10, 4, None)
    assert (found.engine_busy_s, found.queue_wait_p95_s) == (1.5, {})
