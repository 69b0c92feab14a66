"""Where newcomers wait while no more are let in, for some seconds, in the order in which they came.

A server that has not carried many yet lets them in by and by (`scheduling/capacity`). Who waits at
the door, within the handshake, is let in as soon as there is room, where a stock client that is
refused would not try again. Who has waited for `WAIT_S` is refused, and told when to try again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

from prometheus_client import Gauge

WAIT_S = 4.0  # clients give a handshake five seconds or more
MOST_WAITING = 1000
NEW_S = 0.5  # within which who was let in has opened a stream, in a front that is not late


class Guest(Protocol):
    """Who comes."""

    async def wait_closed(self) -> None:
        """Return when it has hung up."""


class Door:
    """`find_room` says for how many more streams there is room; infinite where none are counted.

    Who was let in is expected to open a stream, which takes its place, until it is forgotten.
    """

    def __init__(self, find_room: Callable[[], float], waiting: Gauge) -> None:
        self._find_room = find_room
        self._waiting: deque[tuple[Guest, asyncio.Future[bool]]] = deque()
        self._expected: dict[Guest, float] = {}  # and since when
        waiting.set_function(lambda: len(self._waiting))

    async def enter(self, guest: Guest) -> bool:
        """Wait for a place; say whether there was one in time, for one who is still there."""
        if not self._waiting and self._take(guest):
            return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((guest, place))
        leaving = asyncio.create_task(guest.wait_closed())
        leaving.add_done_callback(lambda _: _answer(place, entered=False))
        try:
            async with asyncio.timeout(WAIT_S):
                return await place
        except TimeoutError:
            return False
        finally:
            leaving.cancel()
            with contextlib.suppress(ValueError):  # who was let in is out of the queue
                self._waiting.remove((guest, place))

    def let_in(self) -> None:
        """Let in who waits, for as many as there is room. To be called some times in a second."""
        while self._waiting:
            guest, place = self._waiting[0]
            if not place.done() and not self._take(guest):
                return
            self._waiting.popleft()
            _answer(place, entered=True)

    def forget(self, guest: Guest) -> None:
        """Expect no stream of it any more: there is one, or there will be none."""
        self._expected.pop(guest, None)

    def close(self) -> None:
        """Nobody is waiting any more: whoever was is refused."""
        while self._waiting:
            _answer(self._waiting.popleft()[1], entered=False)

    def _take(self, guest: Guest) -> bool:
        """Take a place, if there is one; those of who was just let in are not seen yet."""
        now = asyncio.get_running_loop().time()
        while self._expected and (oldest := next(iter(self._expected.items())))[1] <= now - NEW_S:
            self.forget(oldest[0])
        if self._find_room() - len(self._expected) < 1:
            return False
        self._expected[guest] = now
        return True


def _answer(place: asyncio.Future[bool], *, entered: bool) -> None:
    if not place.done():  # whose time is up
        place.set_result(entered)
