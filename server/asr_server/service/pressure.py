"""Whether one more session would make those that are in late: what `Admission` asks."""

from asr_server.metrics import ServerMetrics
from asr_server.scheduling.capacity import WINDOW_S, Capacity, Observation
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
        self._looks: list[bool] = []  # of this window: whether live work was late
        self._began_at: float | None = None

    def is_high(self) -> bool:
        """Say whether new sessions are to be refused."""
        if self._sheds_nothing:
            return False
        return self._is_late or self._link.streams.open_streams >= self._capacity.streams

    def look(self, lag_s: float, now: float) -> None:
        """See how late the event loop was woken just now."""
        self._slow_looks = self._slow_looks + 1 if lag_s > LATE_LAG_S else 0
        self._looks.append(self._is_late)
        if self._began_at is None or not self._link.connected:
            self._begin(now)
        elif now - self._began_at >= WINDOW_S:
            self._learn(now)
            self._begin(now)

    @property
    def _sheds_nothing(self) -> bool:
        return self._link.shedding.late_ms == 0

    @property
    def _is_late(self) -> bool:
        if self._sheds_nothing:
            return False
        return self._slow_looks >= LATE_LOOKS or self._link.shedding_step >= Step.REFUSE

    def _begin(self, now: float) -> None:
        self._link.streams.take_progress()
        self._looks.clear()
        self._began_at = now

    def _learn(self, now: float) -> None:
        progress = self._link.streams.take_progress()
        late_ratio = sum(self._looks) / len(self._looks)
        seen = Observation(
            progress.streams, progress.speaking, progress.spoken_s, progress.settled_s, late_ratio
        )
        self._capacity = self._capacity.after(seen, now)
        self._metrics.stream_limit.set(self._capacity.streams)
