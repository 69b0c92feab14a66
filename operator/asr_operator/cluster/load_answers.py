"""One round of questions: everything that services want to know, all at one moment.

Which pod answers at which address is asked first, the rest together.

The moment is one of Prometheus' clock, and ages are taken from that clock alone. It must be near
ours all the same: a cache that answers for Prometheus gives itself away by an old time.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from asr_operator.api.names import Reason
from asr_operator.cluster.answers import PrometheusError, Row
from asr_operator.cluster.gpu_signals import index_gpus
from asr_operator.cluster.load_rows import (
    Answers,
    Places,
    Table,
    has_files_alone,
    index_places,
    index_rows,
)
from asr_operator.cluster.prometheus import Prometheus
from asr_operator.cluster.queries import GAUGED, OF_FILES, WINDOWED, Queries, Query, Windows

CLOCK_SKEW_LIMIT_S = 30.0


class _Moment(NamedTuple):
    at: float
    prometheus_at: float


@dataclass(frozen=True, slots=True)
class _Round:
    """Questions about one moment; who answers where is known by the first of them."""

    prometheus: Prometheus
    templates: Queries
    moment: _Moment
    places: Places = field(default_factory=dict)

    async def ask(self, query: Query, windows: Windows | None = None) -> list[Row]:
        """Return the rows of one answer."""
        expression = self.templates.render(query, windows)
        try:
            return await self.prometheus.query(expression, self.moment.prometheus_at)
        except PrometheusError as error:
            raise error.within(query) from None

    async def ask_all(
        self, asked: Collection[Query], windows: Windows | None = None
    ) -> dict[Query, Table]:
        """Return the answers of several questions that are asked together."""

        async def ask(query: Query) -> Table:
            rows = await self.ask(query, windows)
            return index_gpus(rows) if query is Query.GPU else index_rows(query, rows, self.places)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {query: group.create_task(ask(query)) for query in asked}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {query: task.result() for query, task in tasks.items()}


async def ask_everything(
    prometheus: Prometheus,
    templates: Queries,
    wanted: Collection[Windows],
    clock: Callable[[], float],
) -> dict[Windows, Answers | PrometheusError]:
    """Return the answers for each of the windows; raise `PrometheusError` when there are none.

    Long windows that Prometheus cannot cope with do no harm to those who ask for short ones.
    """
    moment = await _read_clocks(prometheus, clock)
    if not wanted:
        return {}
    asker = _Round(prometheus, templates, moment)
    rows = await asker.ask(Query.PODS)
    pods = {Query.PODS: index_rows(Query.PODS, rows, {})}
    asker = replace(asker, places=index_places(rows))
    try:
        async with asyncio.TaskGroup() as group:
            shared = group.create_task(asker.ask_all(GAUGED))
            found = group.create_task(_ask_windowed(asker, wanted))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return {
        windows: tables
        if isinstance(tables, PrometheusError)
        else Answers(*moment, windows, {**pods, **shared.result(), **tables})
        for windows, tables in found.result().items()
    }


async def _ask_windowed(
    asker: _Round, wanted: Collection[Windows]
) -> dict[Windows, dict[Query, Table] | PrometheusError]:
    found: dict[Windows, dict[Query, Table] | PrometheusError] = {}
    for windows in sorted(wanted):
        try:
            tables = await asker.ask_all(WINDOWED, windows)
            if has_files_alone(tables):
                tables |= await asker.ask_all(OF_FILES, windows)
            found[windows] = tables
        except PrometheusError as error:
            found[windows] = error
    return found


async def _read_clocks(prometheus: Prometheus, clock: Callable[[], float]) -> _Moment:
    asked_at = clock()
    prometheus_at = await prometheus.read_clock()
    answered_at = clock()
    earliest, latest = asked_at - CLOCK_SKEW_LIMIT_S, answered_at + CLOCK_SKEW_LIMIT_S
    if not earliest <= prometheus_at <= latest:
        raise PrometheusError(
            Reason.CLOCK_SKEW,
            f"the clocks of Prometheus and of the operator are more than {CLOCK_SKEW_LIMIT_S:g} s"
            " apart; set the time of their nodes, and let no cache answer for Prometheus",
            f"Prometheus is {prometheus_at - answered_at:+.1f} s from the operator",
        )
    return _Moment(answered_at, prometheus_at)
