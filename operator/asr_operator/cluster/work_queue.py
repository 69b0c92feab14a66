"""Which services to reconcile next: a queue of keys, served by N workers.

Rules:
1. A key is worked on by one worker at a time, and waits at most once however often it is marked.
2. A key that is marked while it is worked on is worked on again, because what was seen is old.
3. After a failure a key waits longer each time; a mark cuts the wait short, a success ends it.
4. Every key comes round again after the resync time, until it is gone, or sooner if its work says
   so; also while it fails.
5. No piece of work outlasts its deadline.
"""

import asyncio
import enum
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Key = tuple[str, str]
"""Namespace and name."""

# Beyond this power of two every back-off is the longest one; larger powers overflow.
LARGEST_EXPONENT = 30


class Outcome(enum.Enum):
    """What came of a piece of work."""

    DONE = "done"
    RETRY = "retry"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a piece of work, and after how long to look again at the latest."""

    outcome: Outcome
    look_again_s: float = math.inf


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """Times in seconds; `jitter()` returns a number in [0, 1) that spreads waits."""

    jitter: Callable[[], float]
    resync_s: float = 300.0
    deadline_s: float = 60.0
    first_backoff_s: float = 1.0
    longest_backoff_s: float = 300.0


class WorkQueue:
    """The keys that wait, those that are worked on, and those that come back later."""

    def __init__(
        self,
        work: Callable[[Key], Awaitable[Result]],
        on_failure: Callable[[Key, Exception], None],
        policy: QueuePolicy,
    ) -> None:
        self._work = work
        self._on_failure = on_failure
        self._policy = policy
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._pending: set[Key] = set()
        self._progressed_at = 0.0
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return self._ready.qsize()

    def stalled_s(self) -> float:
        """Return how long no work has come to its end although some is there."""
        if not self._pending:
            return 0.0
        return asyncio.get_running_loop().time() - self._progressed_at

    def mark(self, key: Key) -> None:
        """Have a key worked on as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._pending:
            if not self._pending:
                self._progressed_at = asyncio.get_running_loop().time()
            self._pending.add(key)
            self._ready.put_nowait(key)

    async def serve(self) -> None:
        """Work on keys until cancelled; run it once for each worker."""
        while True:
            key = await self._ready.get()
            self._running.add(key)
            try:
                result = await self._attempt(key)
            finally:
                self._running.discard(key)
                self._pending.discard(key)
                self._progressed_at = asyncio.get_running_loop().time()
            self._settle(key, result)

    async def _attempt(self, key: Key) -> Result:
        try:
            async with asyncio.timeout(self._policy.deadline_s):
                return await self._work(key)
        except Exception as error:  # noqa: BLE001 - one key must not stop the others
            self._on_failure(key, error)
            return Result(Outcome.RETRY)

    def _settle(self, key: Key, result: Result) -> None:
        if result.outcome is Outcome.RETRY:
            self._failures[key] = self._failures.get(key, 0) + 1
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.mark(key)
        elif result.outcome is not Outcome.GONE:
            wait_s = min(self._decide_wait_s(key), result.look_again_s)
            self._timers[key] = asyncio.get_running_loop().call_later(wait_s, self.mark, key)

    def _decide_wait_s(self, key: Key) -> float:
        failures = self._failures.get(key, 0)
        spread = self._policy.jitter()
        if not failures:
            return self._policy.resync_s * (0.9 + 0.2 * spread)
        exponent = min(failures - 1, LARGEST_EXPONENT)
        backoff_s = self._policy.first_backoff_s * 2.0**exponent
        return min(backoff_s, self._policy.longest_backoff_s) * (0.5 + 0.5 * spread)
