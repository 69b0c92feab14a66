"""What a server's /metrics page says, and how one page differs from an earlier one."""

import math
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from asr_server.client.arguments import UsageError

Labels = frozenset[tuple[str, str]]
Series = tuple[str, Labels]
Page = Mapping[Series, float]
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Spread:
    """What a histogram took in between two pages."""

    count: float
    mean: float
    bounds: tuple[tuple[float, float], ...]
    """Upper bounds of the buckets, and how many were at most that."""

    @property
    def p95(self) -> float:
        """See `quantile`."""
        return self.quantile(0.95)

    def quantile(self, ratio: float) -> float:
        """Return a quantile by straight lines between bounds; infinite beyond the last."""
        below, passed, rank = 0.0, 0.0, ratio * self.count
        for bound, value in self.bounds:
            if value >= rank:
                if math.isinf(bound):
                    return bound
                return below + (bound - below) * (rank - passed) / max(value - passed, 1e-12)
            below, passed = bound, value
        return math.inf


def fetch_page(url: str) -> Page:
    """Read a page. Raises UsageError, which says what is there instead."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return parse_page(answer.read().decode())
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise UsageError(f"--metrics-url {url}: no metrics there: {error}") from None


def parse_page(text: str) -> Page:
    """Parse Prometheus' text format. Raises ValueError."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def subtract(before: Page, after: Page) -> Page:
    """Return by how much each series grew."""
    return {series: value - before.get(series, 0.0) for series, value in after.items()}


def spread(grown: Page, name: str, **labels: str) -> Spread | None:
    """Return what a histogram took in; None if nothing."""
    wanted = frozenset(labels.items())
    count = grown.get((f"{name}_count", wanted), 0.0)
    if not count:
        return None
    bounds = tuple(
        sorted(
            (float(dict(series)["le"]), value)
            for (bucket, series), value in grown.items()
            if bucket == f"{name}_bucket" and wanted <= series and len(series) == len(wanted) + 1
        )
    )
    mean = grown.get((f"{name}_sum", wanted), 0.0) / count
    return Spread(count, mean, bounds)
