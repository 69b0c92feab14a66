"""Whether a new session is let in: decided before the upgrade, counted once the session is there.

A half-open handshake takes no place. A full server stays ready: it says 503 and when to try again.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from asr_server.metrics import SessionMetrics

Reason = Literal["full", "address", "overloaded", "draining", "loading"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is refused, and after how many seconds it is worth to try again."""

    reason: Reason
    message: str
    retry_after_s: int


LOADING = Refusal("loading", "The models are being loaded.", 5)
DRAINING = Refusal("draining", "This server is shutting down.", 1)
FULL = Refusal("full", "All sessions of this server are taken.", 2)
OVERLOADED = Refusal("overloaded", "This server is late with the sessions that it has.", 5)
ADDRESS = Refusal("address", "All sessions of this address are taken.", 5)


class Admission:
    """Counts sessions. `closed` says why none is let in at all, if so."""

    def __init__(
        self,
        metrics: SessionMetrics,
        max_sessions: int,
        max_sessions_per_address: int,
        is_overloaded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._metrics = metrics
        self.is_overloaded = is_overloaded
        self._per_address: Counter[str] = Counter()
        self._max_per_address = max_sessions_per_address
        self.closed: Refusal | None = LOADING
        self.limit(max_sessions)

    @property
    def sessions(self) -> int:
        """The number of sessions that are counted."""
        return self._per_address.total()

    def used_ratio(self) -> float:
        """Return the share of all sessions that is taken."""
        return self.sessions / self.max_sessions

    def limit(self, max_sessions: int) -> None:
        """Let in this many from now on; those who are in stay."""
        self.max_sessions = max_sessions
        self._metrics.session_limit.set(max_sessions)

    def refuse(self, address: str) -> Refusal | None:
        """Decide about a session from this address; count and return why it is refused."""
        refusal = self._decide(address)
        if refusal is not None:
            self._metrics.refused_sessions.labels(refusal.reason).inc()
        return refusal

    @contextmanager
    def count(self, address: str) -> Iterator[None]:
        """Count a session as long as it lasts."""
        self._per_address[address] += 1
        try:
            yield
        finally:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    def _decide(self, address: str) -> Refusal | None:
        if self.closed is not None:
            return self.closed
        if self.sessions >= self.max_sessions:
            return FULL
        if self.is_overloaded():
            return OVERLOADED
        if 0 < self._max_per_address <= self._per_address[address]:
            return ADDRESS
        return None
