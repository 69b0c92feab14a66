"""For how many more live streams there is room: what `Door` asks."""

import math

from asr_server.metrics import ServerMetrics
from asr_server.scheduling.capacity import Capacity
from asr_server.scheduling.shedding import Step
from asr_server.service.engine_link import EngineLink

LATE_LAG_S = 0.25  # an event loop that turns so slowly leaves audio in the sockets
LATE_LOOKS = 2  # one after the other


class Pressure:
    """Looks at both processes a few times a second; times are monotonic seconds."""

    def __init__(self, link: EngineLink, metrics: ServerMetrics) -> None:
        self._link = link
        self._metrics = metrics
        self._capacity = Capacity()
        self._slow_looks = 0
        metrics.stream_limit.set_function(self._limit)

    def find_room(self) -> float:
        """Return for how many more streams there is room now; infinite where all are let in."""
        if not self._sheds_nothing and self._step >= Step.REFUSE:
            return 0.0
        return self._limit() - self._link.streams.open_streams

    def look(self, lag_s: float, now: float) -> None:
        """See how late the event loop was woken just now."""
        self._slow_looks = self._slow_looks + 1 if lag_s > LATE_LAG_S else 0
        # The next engine finds what the last one left; an engine that sheds nothing is never late.
        if self._link.connected and not self._sheds_nothing:
            streams = self._link.streams.open_streams
            self._capacity = self._capacity.after(streams, self._step, now)

    def _limit(self) -> float:
        return math.inf if self._sheds_nothing else self._capacity.streams

    @property
    def _sheds_nothing(self) -> bool:
        return self._link.shedding.late_ms == 0

    @property
    def _step(self) -> Step:
        is_slow = self._slow_looks >= LATE_LOOKS
        return Step.REFUSE if is_slow else Step(self._link.shedding_step)
