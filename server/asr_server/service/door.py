"""Where newcomers wait while no more are let in, for some seconds, in the order in which they came.

A server that has not carried many yet lets them in by and by (`scheduling/capacity`). Who waits at
the door, within the handshake, is let in as soon as there is room, where a stock client that is
refused would not try again. Who has waited for `WAIT_S` is refused, and told when to try again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from prometheus_client import Gauge

WAIT_S = 4.0  # clients give a handshake five seconds or more
MOST_WAITING = 1000
NEW_S = 1.0  # within which who was let in has opened a stream


class Door:
    """`find_room` says for how many more streams there is room; infinite where none are counted."""

    def __init__(self, find_room: Callable[[], float], waiting: Gauge) -> None:
        self._find_room = find_room
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._entered: deque[float] = deque()
        waiting.set_function(lambda: len(self._waiting))

    async def enter(self) -> bool:
        """Wait for a place; say whether there was one in time."""
        if not self._waiting and self._take():
            return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(WAIT_S):
                return await place
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(ValueError):  # who was let in is out of the queue
                self._waiting.remove(place)

    def let_in(self) -> None:
        """Let in who waits, for as many as there is room. To be called some times in a second."""
        while self._waiting and (self._waiting[0].done() or self._take()):
            _answer(self._waiting.popleft(), entered=True)

    def close(self) -> None:
        """Nobody is waiting any more: whoever was is refused."""
        while self._waiting:
            _answer(self._waiting.popleft(), entered=False)

    def _take(self) -> bool:
        """Take a place, if there is one; who was just let in has one that is not seen yet."""
        now = asyncio.get_running_loop().time()
        while self._entered and self._entered[0] <= now - NEW_S:
            self._entered.popleft()
        if self._find_room() - len(self._entered) < 1:
            return False
        self._entered.append(now)
        return True


def _answer(place: asyncio.Future[bool], *, entered: bool) -> None:
    if not place.done():  # whose time is up
        place.set_result(entered)
