from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.api.autoscaling import BatchPolicy, Objectives
from asr_operator.autoscaler import capacity
from asr_operator.autoscaler.capacity import Capacity
from asr_operator.autoscaler.service_model import ServiceModel


def make(start_s=0.03, slope=0.004, **fields):
    """A replica whose batches take exactly this long, with items of 3 padded seconds."""
    model = ServiceModel()
    for padded_s in (3, 96) * 200:
        model = model.learn(padded_s, start_s + slope * padded_s)
    values = {
        "model": model,
        "item_padded_s": 3.0,
        "padded_per_audio": 1.0,
        "objectives": Objectives(),
        "batching": BatchPolicy(mode="Auto", audio_s=1000),
    }
    return Capacity(**{**values, **fields})


@pytest.mark.parametrize(("size", "up", "down"), [(1, 2, 1), (2, 3, 1), (4, 5, 2), (16, 20, 11)])
def test_a_step_is_a_quarter_more_or_a_third_less(size, up, down):
    assert (capacity.step_up(size), capacity.step_down(size)) == (up, down)


def test_larger_batches_carry_more():
    replica = make()
    assert replica.most(1) < replica.most(8) < replica.most(64)
    assert replica.most(8) == pytest.approx(24 / (0.03 + 0.004 * 24), rel=0.02)


def test_only_a_part_of_what_could_be_carried_is_planned():
    replica = make(objectives=Objectives(final_latency_ms=60_000))
    assert replica.served(8) == pytest.approx(capacity.TARGET_UTILIZATION * replica.most(8))


def test_an_objective_that_is_near_the_time_of_a_batch_leaves_more_room():
    tight = make(objectives=Objectives(final_latency_ms=300))
    loose = make(objectives=Objectives(final_latency_ms=6000))
    assert tight.served(8) < loose.served(8)


def test_the_audio_bound_limits_a_batch_as_well():
    replica = make(batching=BatchPolicy(mode="Auto", audio_s=12))
    assert replica.most(64) == replica.most(4)


def test_silence_makes_a_replica_carry_more():
    assert make(padded_per_audio=0.5).most(8) == pytest.approx(2 * make().most(8))


def test_the_best_size_is_the_smallest_that_is_nearly_as_good():
    replica = make(start_s=0.001)
    assert replica.served(replica.best_size()) >= 0.95 * replica.served(64)
    assert replica.best_size() < 16


def test_the_best_size_meets_the_objective():
    replica = make(objectives=Objectives(final_latency_ms=800))
    best = replica.best_size()
    assert replica.is_feasible(best)
    assert 1 < best < 64
    assert 2 * replica.service_s(best) < 0.8 * 0.8


def test_no_size_is_feasible_when_a_single_item_takes_too_long():
    replica = make(objectives=Objectives(final_latency_ms=40))
    assert not replica.is_feasible(1)
    assert replica.best_size() == 1
    assert replica.served(1) == pytest.approx(capacity.LEAST_UTILIZATION * replica.most(1))


def test_the_size_for_a_load_is_no_larger_than_it_must_be():
    replica = make(objectives=Objectives(final_latency_ms=2000))
    sizes = [replica.size_for(load) for load in (0, 60, 90, 110, 10_000)]
    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert sizes[-1] == replica.best_size()
    assert sizes[0] < sizes[2] < sizes[-1]


def test_a_size_that_was_too_large_is_not_chosen():
    replica = make(objectives=Objectives(final_latency_ms=2000))
    assert replica.size_for(10_000, most_size=5) == 5


def test_a_higher_quantile_leaves_more_room():
    served = [
        make(objectives=Objectives(quantile, 250)).served(4) for quantile in ("p50", "p95", "p99")
    ]
    assert served == sorted(served, reverse=True)
    assert served[0] > served[2]


def test_a_larger_bound_carries_no_less():
    replica = make(start_s=0.0, slope=0.02, objectives=Objectives(final_latency_ms=800))
    assert not replica.is_feasible(16)
    assert replica.served(1) <= replica.served(5) <= replica.served(16)


@given(
    st.integers(1, 256),
    st.integers(1, 256),
    st.floats(0, 1e4),
    st.integers(10, 600_000),
    st.none() | st.floats(0.3, 0.75),
)
def test_every_size_that_is_planned_lies_within_the_bounds(one, other, load, latency_ms, full):
    least, most = sorted((one, other))
    replica = replace(
        make(objectives=Objectives(final_latency_ms=latency_ms), fullness=full),
        batching=BatchPolicy(mode="Auto", min_size=least, max_size=most),
    )
    assert least <= replica.size_for(load) <= replica.best_size() <= most
    assert replica.served(least) > 0


def test_a_cpu_limit_bounds_what_a_replica_does():
    engine = make()
    slower = ServiceModel(1, 3.0, 10 * engine.service_s(1))
    limited = replace(engine, cpu=slower)
    assert limited.most(1) == pytest.approx(engine.most(1) / 10)
    assert limited.most(4) > 1.5 * limited.most(1)
    faster = replace(engine, cpu=ServiceModel(1, 3.0, 0.001))
    assert faster.most(4) == engine.most(4)


def test_how_full_a_replica_may_be_holds_from_the_size_on_that_it_was_measured_at():
    guessed, measured = make(), make(fullness=0.75, fullness_size=8)
    assert measured.served(8) == pytest.approx(0.75 * measured.most(8))
    assert measured.served(16) == pytest.approx(0.75 * measured.most(16))
    assert measured.served(5) == guessed.served(5)
    assert make(fullness=0.3, fullness_size=8).served(5) == pytest.approx(0.3 * guessed.most(5))
