"""Quantiles of a histogram with classic buckets, as Prometheus computes them. Pure.

One query for the buckets serves every quantile that a service may ask for.
"""

import math
from collections.abc import Iterable

Bucket = tuple[float, float]
"""The upper bound of a bucket, and how many observations (or how many a second) were within it."""


def compute_quantile(quantile: float, buckets: Iterable[Bucket]) -> float | None:
    """Return a quantile in (0, 1), interpolated within its bucket.

    None without any observation, or without the bucket of all observations. The bound of the
    last finite bucket where the quantile lies beyond it. Counts that fall as bounds rise, which
    scrapes of different ages make, are taken as level.
    Source: histogram_quantile of Prometheus 3 (promql/quantile.go, bucketQuantile).
    """
    ordered = _make_monotonic(sorted(buckets))
    if len(ordered) < 2 or ordered[-1][0] != math.inf or ordered[-1][1] <= 0:
        return None
    rank = quantile * ordered[-1][1]
    at = next(i for i, (_, count) in enumerate(ordered) if count >= rank or i == len(ordered) - 1)
    bound, count = ordered[at]
    if bound == math.inf:
        return ordered[at - 1][0]
    if at == 0:
        return bound * (rank / count) if bound > 0 else bound
    below, count_below = ordered[at - 1]
    return below + (bound - below) * (rank - count_below) / (count - count_below)


def compute_share_above(bound: float, buckets: Iterable[Bucket]) -> float | None:
    """Return the share of observations above a bound, interpolated within its bucket.

    None without any observation, or without the bucket of all observations. Nothing is known to
    lie above a bound beyond the last finite bucket, as no quantile lies there either.
    """
    ordered = _make_monotonic(sorted(buckets))
    if len(ordered) < 2 or ordered[-1][0] != math.inf or ordered[-1][1] <= 0:
        return None
    total = ordered[-1][1]
    below, count_below = 0.0, 0.0
    for upper, count in ordered[:-1]:
        if upper >= bound:
            part = (bound - below) / (upper - below)
            return 1 - (count_below + part * (count - count_below)) / total
        below, count_below = upper, count
    return 0.0


def count_observations(buckets: Iterable[Bucket]) -> float | None:
    """Return how many observations there were, or None when that is not known."""
    return next((count for bound, count in buckets if bound == math.inf), None)


def _make_monotonic(buckets: list[Bucket]) -> list[Bucket]:
    highest = 0.0
    level = []
    for bound, count in buckets:
        highest = max(highest, count)
        level.append((bound, highest))
    return level
