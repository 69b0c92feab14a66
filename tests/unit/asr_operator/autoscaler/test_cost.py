"""How long a decision takes. The bound is generous, for machines that are shared."""

import statistics
import time

from asr_operator.autoscaler import decide

MOST_S = 0.005  # 0.2 ms where nothing else runs


def test_a_decision_takes_less_than_a_few_milliseconds(make_sample, make_fleet, make_spec, watched):
    spec, remembered = make_spec(max_size=256, max_replicas=100), watched(finals=1000.0)
    took_s = []
    for tick in range(200):
        at = 1_000_000.0 + 15 * tick
        sample = make_sample(pods=50, demand=4000.0 + tick % 7, size_bound=0.5, at=at)
        fleet = make_fleet(50)
        start = time.perf_counter()
        _, remembered = decide.decide(sample, fleet, spec, remembered, at)
        took_s.append(time.perf_counter() - start)
    assert statistics.median(took_s) < MOST_S
