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
NOBODY = ("", "")


class Series(msgspec.Struct, frozen=True, gc=False):
    """The labels and the value of one series, and the pod that it is of, if it is of one."""

    labels: Labels
    value: float
    pod: str = ""


Table = Mapping[Key, Sequence[Series]]
"""The series of each service that answer one query; where it is about GPUs, of each pod."""


Places = Mapping[str, tuple[Key, str] | None]
"""The service and the pod at each `instance`; None where two pods claim it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What all queries were answered at one moment, by the operator's and by Prometheus' clock."""

    at: float
    prometheus_at: float
    windows: Windows
    tables: Mapping[Query, Table]


def index_places(rows: Iterable[Row]) -> Places:
    """Return who is where, by the rows of `Query.PODS`; raise `PrometheusError` if they hide it."""
    found: dict[str, tuple[Key, str] | None] = {}
    for row in rows:
        labels = row.metric
        place = ((labels.asr_namespace, labels.asr_service), labels.asr_pod)
        found[labels.instance] = place if found.get(labels.instance, place) == place else None
    if "" in found:
        raise explain_unusable("there are rows without instance")
    return found


def index_rows(query: Query, rows: Iterable[Row], places: Places) -> Table:
    """Return rows by service, their own or the one whose server is at their `instance`.

    Raises `PrometheusError` for rows that can belong to none.
    """
    table: dict[Key, list[Series]] = {}
    try:
        for row in rows:
            labels = row.metric
            key, pod = (labels.asr_namespace, labels.asr_service), labels.asr_pod
            if labels.instance and key == NOBODY:
                place = places.get(labels.instance)
                if place is None:
                    continue
                key, pod = place
            table.setdefault(key, []).append(Series(labels, float(row.value[1]), pod))
    except ValueError as error:
        raise explain_unusable(f"{query}: {error}") from None
    if any(not (namespace and service) for namespace, service in table):
        raise explain_unusable(f"{query}: there are rows without asr_namespace or asr_service")
    return table


def has_files_alone(tables: Mapping[Query, Table]) -> bool:
    """Return whether there is a service whose only finals are those of files."""
    live = tables[Query.FINAL_LATENCY]
    return any(
        row.labels.item_class == "file" and row.value > 0
        for key, rows in tables[Query.RECEIVED_INPUTS].items()
        if not any(each.value > 0 for each in live.get(key, ()))
        for row in rows
    )


class ServiceRows:
    """The rows of one service."""

    def __init__(self, key: Key, answers: Answers) -> None:
        self._key = key
        self._tables = answers.tables

    def of(self, query: Query) -> Sequence[Series]:
        """Return the rows of a query."""
        return self._tables.get(query, {}).get(self._key, ())

    def of_pod(self, query: Query, pod: str) -> Sequence[Series]:
        """Return the rows of a query that is answered pod by pod."""
        return self._tables.get(query, {}).get((self._key[0], pod), ())

    def by_pod(self, query: Query) -> dict[str, float]:
        """Return what is known per pod; of a pod that is scraped twice, the higher value."""
        found: dict[str, float] = {}
        for row in self.of(query):
            if is_known(row.value):
                found[row.pod] = max(row.value, found.get(row.pod, 0.0))
        return found

    def add_up(self, query: Query) -> float | None:
        """Return the sum over pods, None if nothing is known."""
        found = self.by_pod(query)
        return math.fsum(found.values()) if found else None

    def buckets(self, query: Query) -> list[Bucket]:
        """Return the buckets of a histogram; a bound may be spelled in two ways."""
        found: dict[float, float] = {}
        for row in self.of(query):
            bound = _parse_bound(row.labels.le)
            if is_known(row.value) and not math.isnan(bound):
                found[bound] = found.get(bound, 0.0) + row.value
        return list(found.items())

    def gauges(self) -> dict[str, dict[str, float]]:
        """Return what is known of the gauges of each pod, by name."""
        found: dict[str, dict[str, float]] = {}
        for row in self.of(Query.GAUGES):
            if is_known(row.value):
                found.setdefault(row.pod, {})[row.labels.name] = row.value
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
