"""One round of questions: everything that services want to know, all at one moment.

The moment is one of Prometheus' clock, and ages are taken from that clock alone. It must be near
ours all the same: a cache that answers for Prometheus gives itself away by an old time.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

from asr_operator.api.names import Reason
from asr_operator.cluster.answers import PrometheusError
from asr_operator.cluster.gpu_signals import index_gpus
from asr_operator.cluster.load_rows import Answers, Table, index_rows
from asr_operator.cluster.prometheus import Prometheus
from asr_operator.cluster.queries import INSTANT, WINDOWED, Queries, Query, Windows

CLOCK_SKEW_LIMIT_S = 30.0


class _Moment(NamedTuple):
    at: float
    prometheus_at: float


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
    try:
        async with asyncio.TaskGroup() as group:
            shared = group.create_task(_ask_all(prometheus, templates, INSTANT, None, moment))
            found = group.create_task(_ask_windowed(prometheus, templates, wanted, moment))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return {
        windows: tables
        if isinstance(tables, PrometheusError)
        else Answers(*moment, windows, {**shared.result(), **tables})
        for windows, tables in found.result().items()
    }


async def _ask_windowed(
    prometheus: Prometheus, templates: Queries, wanted: Collection[Windows], moment: _Moment
) -> dict[Windows, dict[Query, Table] | PrometheusError]:
    found: dict[Windows, dict[Query, Table] | PrometheusError] = {}
    for windows in sorted(wanted):
        try:
            found[windows] = await _ask_all(prometheus, templates, WINDOWED, windows, moment)
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


async def _ask_all(
    prometheus: Prometheus,
    templates: Queries,
    asked: Collection[Query],
    windows: Windows | None,
    moment: _Moment,
) -> dict[Query, Table]:
    async def ask(query: Query) -> Table:
        try:
            rows = await prometheus.query(templates.render(query, windows), moment.prometheus_at)
        except PrometheusError as error:
            raise error.within(query) from None
        return index_gpus(rows) if query is Query.GPU else index_rows(query, rows)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {query: group.create_task(ask(query)) for query in asked}
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return {query: task.result() for query, task in tasks.items()}
