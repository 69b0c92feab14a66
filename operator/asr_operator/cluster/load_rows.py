"""The answers of Prometheus, by query and service, and what one service finds in them. No I/O.

A value that is NaN, negative or a sentinel counts as absent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from asr_operator.api.names import Reason
from asr_operator.cluster.answers import Labels, PrometheusError, Row
from asr_operator.cluster.queries import Query, Windows
from asr_operator.cluster.work_queue import Key
from asr_operator.state.quantiles import Bucket

# Exporters say "unknown" by the largest of integers; no value of ours comes near.
SENTINEL = 1e15


class Series(msgspec.Struct, frozen=True, gc=False):
    """The labels and the value of one series."""

    labels: Labels
    value: float


Table = Mapping[Key, Sequence[Series]]
"""The series of each service that answer one query; where it is about GPUs, of each pod."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What all queries were answered at one moment, by the operator's and by Prometheus' clock."""

    at: float
    prometheus_at: float
    windows: Windows
    tables: Mapping[Query, Table]


def index_rows(query: Query, rows: Iterable[Row]) -> Table:
    """Return rows by service; raise `PrometheusError` for rows that belong to none."""
    table: dict[Key, list[Series]] = {}
    try:
        for row in rows:
            key = (row.metric.asr_namespace, row.metric.asr_service)
            table.setdefault(key, []).append(Series(row.metric, float(row.value[1])))
    except ValueError as error:
        raise explain_unusable(f"{query}: {error}") from None
    if any(not (namespace and service) for namespace, service in table):
        raise explain_unusable(f"{query}: there are rows without asr_namespace or asr_service")
    return table


class ServiceRows:
    """The rows of one service."""

    def __init__(self, key: Key, answers: Answers) -> None:
        self._key = key
        self._tables = answers.tables

    def of(self, query: Query) -> Sequence[Series]:
        """Return the rows of a query."""
        return self._tables[query].get(self._key, ())

    def of_pod(self, query: Query, pod: str) -> Sequence[Series]:
        """Return the rows of a query that is answered pod by pod."""
        return self._tables[query].get((self._key[0], pod), ())

    def by_pod(self, query: Query) -> dict[str, float]:
        """Return what is known per pod."""
        return {row.labels.asr_pod: row.value for row in self.of(query) if is_known(row.value)}

    def by_stage(self, query: Query) -> dict[str, float]:
        """Return what is known per stage."""
        return {row.labels.stage: row.value for row in self.of(query) if is_known(row.value)}

    def buckets(self, query: Query) -> list[Bucket]:
        """Return the buckets of a histogram; a bound may be spelled in two ways."""
        found: dict[float, float] = {}
        for row in self.of(query):
            bound = _parse_bound(row.labels.le)
            if is_known(row.value) and not math.isnan(bound):
                found[bound] = found.get(bound, 0.0) + row.value
        return list(found.items())

    def gauges(self) -> dict[str, dict[str, float]]:
        """Return gauges by name per pod, their states added up; NaN where one makes no sense."""
        found: dict[str, dict[str, float]] = {}
        for row in self.of(Query.GAUGES):
            value = row.value if is_known(row.value) else math.nan
            of_pod = found.setdefault(row.labels.asr_pod, {})
            of_pod[row.labels.metric] = of_pod.get(row.labels.metric, 0.0) + value
        return found


def _parse_bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_known(value: float) -> bool:
    """Return whether a value can be one of ours."""
    return 0 <= value < SENTINEL


def explain_unusable(detail: str) -> PrometheusError:
    """Return what it means that rows are not what was asked for."""
    return PrometheusError(
        Reason.ANSWER_MALFORMED,
        "an answer of Prometheus cannot be read; see the operator's log, and the queries in its"
        " setting prometheus-queries-file if that is set",
        detail,
    )
