import math

import hypothesis
import pytest
from hypothesis import strategies

from asr_operator.state import quantiles

INF = math.inf


@pytest.mark.parametrize(
    ("quantile", "buckets", "expected"),
    [
        pytest.param(0.5, [(1, 10), (2, 10), (INF, 10)], 0.5, id="within the first bucket"),
        pytest.param(0.75, [(1, 10), (2, 20), (INF, 20)], 1.5, id="between two bounds"),
        pytest.param(0.5, [(2, 20), (INF, 20), (1, 10)], 1.0, id="in any order"),
        pytest.param(0.95, [(1, 10), (2, 10), (INF, 20)], 2, id="beyond the last bound"),
        pytest.param(0.9, [(1, 10), (2, 9), (INF, 20)], 2, id="a count that falls is level"),
        pytest.param(0.5, [(-1, 10), (INF, 10)], -1, id="a first bound below zero"),
        pytest.param(0.5, [(1, 0), (INF, 0)], None, id="no observation"),
        pytest.param(0.5, [(INF, 10)], None, id="only the last bucket"),
        pytest.param(0.5, [(1, 10), (2, 10)], None, id="without the last bucket"),
        pytest.param(0.5, [], None, id="nothing"),
    ],
)
def test_quantile(quantile, buckets, expected):
    assert quantiles.compute_quantile(quantile, buckets) == expected


counts = strategies.lists(strategies.integers(0, 1000), min_size=2, max_size=15)


def accumulate(added):
    """Return cumulative buckets with bounds 1, 2, 3, ... and infinity."""
    bounds = [*map(float, range(1, len(added))), INF]
    return [(bound, float(sum(added[: at + 1]))) for at, bound in enumerate(bounds)]


@hypothesis.given(counts, strategies.floats(0.01, 0.99))
def test_quantile_lies_in_the_bucket_that_holds_its_rank(added, quantile):
    buckets = accumulate(added)
    found = quantiles.compute_quantile(quantile, buckets)
    if not sum(added):
        assert found is None
        return
    last = buckets[-2][0]
    below = max((count for bound, count in buckets if bound < found), default=0.0)
    upper = min((count for bound, count in buckets if bound >= found), default=0.0)
    rank = quantile * sum(added)
    assert found == last or below <= rank * (1 + 1e-9)
    assert found == last or upper >= rank * (1 - 1e-9)


@hypothesis.given(counts, strategies.floats(0.01, 0.99), strategies.floats(0.01, 0.99))
def test_a_higher_quantile_is_not_lower(added, one, other):
    low, high = sorted((one, other))
    found = [quantiles.compute_quantile(each, accumulate(added)) for each in (low, high)]
    assert found == [None, None] or found[0] <= found[1] + 1e-9


@hypothesis.given(counts, strategies.floats(0.01, 0.99), strategies.floats(0.001, 1000))
def test_rates_give_the_same_as_counts(added, quantile, factor):
    counted = accumulate(added)
    rated = [(bound, count * factor) for bound, count in counted]
    found = quantiles.compute_quantile(quantile, counted)
    expected = None if found is None else pytest.approx(found, abs=1e-6)
    assert quantiles.compute_quantile(quantile, rated) == expected


def test_observations_are_those_of_the_last_bucket():
    assert quantiles.count_observations([(INF, 7.0), (1, 3.0)]) == 7
    assert quantiles.count_observations([(1, 3.0)]) is None


@pytest.mark.parametrize(
    ("bound", "share"), [(0.5, 0.75), (1, 0.5), (2, 0.4), (3, 0.3), (3.1, 0), (9, 0), (INF, 0)]
)
def test_what_lies_above_a_bound_is_interpolated(bound, share):
    buckets = [(1, 5.0), (3, 7.0), (INF, 10.0)]
    assert quantiles.compute_share_above(bound, buckets) == pytest.approx(share)


def test_nothing_lies_above_where_nothing_was_observed():
    for buckets in ([], [(1, 0.0), (INF, 0.0)], [(1, 3.0)], [(INF, 3.0)]):
        assert quantiles.compute_share_above(1, buckets) is None


@hypothesis.given(counts, strategies.floats(0.01, 0.99), strategies.floats(0.01, 20))
def test_a_share_and_a_quantile_agree(added, quantile, bound):
    """The quantile is above a bound if, and only if, more than the rest lies above it."""
    found = quantiles.compute_quantile(quantile, accumulate(added))
    share = quantiles.compute_share_above(bound, accumulate(added))
    if found is None:
        assert share is None
    elif found > bound:
        assert share >= 1 - quantile - 1e-9
    elif found < bound:
        assert share <= 1 - quantile + 1e-9


@hypothesis.given(counts, strategies.floats(0.01, 100))
def test_a_share_is_one(added, bound):
    share = quantiles.compute_share_above(bound, accumulate(added))
    assert share is None or -1e-9 <= share <= 1 + 1e-9
