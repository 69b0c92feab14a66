"""How batches ran before the operator started, to fit service-time models anew after a restart."""

import math
from collections.abc import Iterable, Mapping

from asr_operator.autoscaler.service_model import MAIN_STAGE
from asr_operator.cluster import load_rows
from asr_operator.cluster.answers import RangeRow
from asr_operator.cluster.prometheus import Prometheus
from asr_operator.cluster.queries import OF_THE_PAST, Queries, Query, Windows
from asr_operator.cluster.work_queue import Key
from asr_operator.state.load import BatchPoint

LENGTH_S = 1800
STEP_S = 60
MINUTE = Windows(window_s=STEP_S, peak_s=STEP_S)

History = Mapping[Key, tuple[BatchPoint, ...]]
"""The past of each service, oldest first."""

_Moment = tuple[Key, float]


async def load_history(prometheus: Prometheus, queries: Queries) -> History:
    """Return the last half hour of all services; raise `PrometheusError`.

    A minute in which the recognizer ran no batch has no point.
    """
    end = await prometheus.read_clock()
    found = {}
    for query in OF_THE_PAST:
        expression = queries.render(query, MINUTE)
        rows = await prometheus.query_range(expression, end - LENGTH_S, end, STEP_S)
        found[query] = _index(query, rows)
    return _build_points(*found.values())


def _build_points(
    batches: Mapping[_Moment, float], audio: Mapping[_Moment, float], busy: Mapping[_Moment, float]
) -> History:
    history: dict[Key, list[BatchPoint]] = {}
    for moment, count in batches.items():
        key, at = moment
        values = (count, audio.get(moment, math.nan), busy.get(moment, math.nan))
        if count > 0 and all(load_rows.is_known(value) for value in values):
            point = BatchPoint(at, MAIN_STAGE, count, values[1] / count, values[2] / count)
            history.setdefault(key, []).append(point)
    return {
        key: tuple(sorted(points, key=lambda point: point.at)) for key, points in history.items()
    }


def _index(query: Query, rows: Iterable[RangeRow]) -> dict[_Moment, float]:
    try:
        return {
            ((row.metric.asr_namespace, row.metric.asr_service), at): float(text)
            for row in rows
            for at, text in row.values
        }
    except ValueError as error:
        raise load_rows.explain_unusable(f"{query}: {error}") from None
