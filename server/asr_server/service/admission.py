"""Whether a new session is let in: decided before the upgrade, counted once the session is there.

A half-open handshake takes no place. A full server stays ready: it says 503 and when to try again.
Where there are places, but no more live streams would be carried, newcomers wait at the `Door`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from asr_server.metrics import SessionMetrics
from asr_server.service.door import Door, Guest

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
OVERLOADED = Refusal("overloaded", "This server carries no more sessions now.", 2)
ADDRESS = Refusal("address", "All sessions of this address are taken.", 5)


class Admission:
    """Counts sessions. `closed` says why none is let in at all, if so."""

    def __init__(
        self,
        metrics: SessionMetrics,
        max_sessions: int,
        max_sessions_per_address: int,
        door: Door | None = None,
    ) -> None:
        self._metrics = metrics
        self._door = door
        self._per_address: Counter[str] = Counter()
        self._at_door: Counter[str] = Counter()
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

    def close(self, refusal: Refusal) -> None:
        """Let nobody in any more, for this reason."""
        self.closed = refusal
        if self._door is not None:
            self._door.close()

    async def admit(self, address: str, guest: Guest) -> Refusal | None:
        """Wait until a session from this address may begin, for some seconds at most.

        Count and return why it is refused; None: it may begin. No more wait than there are places.
        """
        refusal = self._decide(address, self._at_door.total(), self._at_door[address])
        if refusal is None and self._door is not None:
            with _counted(self._at_door, address):
                entered = await self._door.enter(guest)
            refusal = self._decide(address) or (None if entered else OVERLOADED)
            if refusal is not None:
                self._door.forget(guest)
        return self._count_refusal(refusal)

    def refuse(self, address: str) -> Refusal | None:
        """Decide whether there is a place for a session that was admitted; as `admit`."""
        return self._count_refusal(self._decide(address))

    def note_input(self, guest: Guest) -> None:
        """A session has begun an input: if that is live, it is seen among the open streams."""
        if self._door is not None:
            self._door.forget(guest)

    @contextmanager
    def count(self, address: str, guest: Guest) -> Iterator[None]:
        """Count a session as long as it lasts; whoever waits for its place has it then."""
        try:
            with _counted(self._per_address, address):
                yield
        finally:
            if self._door is not None:
                self._door.forget(guest)
                self._door.let_in()

    def _count_refusal(self, refusal: Refusal | None) -> Refusal | None:
        if refusal is not None:
            self._metrics.refused_sessions.labels(refusal.reason).inc()
        return refusal

    def _decide(self, address: str, waiting: int = 0, waiting_there: int = 0) -> Refusal | None:
        if self.closed is not None:
            return self.closed
        if self.sessions + waiting >= self.max_sessions:
            return FULL
        if 0 < self._max_per_address <= self._per_address[address] + waiting_there:
            return ADDRESS
        return None


@contextmanager
def _counted(counter: Counter[str], address: str) -> Iterator[None]:
    counter[address] += 1
    try:
        yield
    finally:
        counter[address] -= 1
        if not counter[address]:
            del counter[address]
