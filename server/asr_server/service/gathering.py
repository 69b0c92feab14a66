"""The selector of the event loop: while live audio comes often, it is read many sockets at a time.

A wake-up costs more than the message that it is for: other processes had the core, and its caches
are cold. Sockets of live inputs may therefore wait, and everything else may not: new connections,
the engine, files. As long as `SEVERAL` come within `GATHER_S`, they alone wake nobody before that
is over; they are read with whatever else wakes the process. Audio is sent to the engine every 25 ms
and more, so that it hardly comes there later; with few sessions nothing waits.
"""

import contextlib
import select
import selectors
import time
from typing import Any

GATHER_S = 0.02
SEVERAL = 3


class Gathering(selectors.EpollSelector):
    """Looks at some files less often than at others."""

    def __init__(self, gather_s: float = GATHER_S) -> None:
        super().__init__()
        self._gather_s = gather_s
        self._urgent = select.epoll()
        self._patient: set[int] = set()
        self._gathers = False
        self._until = 0.0  # when it is reckoned anew whether to gather,
        self._found = 0  # by how often those that may wait were ready up to then

    def set_patient(self, fd: int, *, patient: bool) -> None:
        """Say whether a registered file may wait; it may not unless that was said."""
        key = self.get_map().get(fd)
        if key is None or patient == (fd in self._patient):
            return
        if patient:
            self._patient.add(fd)
            self._urgent.unregister(fd)
        else:
            self._patient.remove(fd)
            self._urgent.register(fd, _epoll_events(key.events))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Look at a file from now on, which may not wait."""
        key = super().register(fileobj, events, data)
        self._urgent.register(key.fd, _epoll_events(events))
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Look at a file no more."""
        key = super().unregister(fileobj)
        if key.fd in self._patient:
            self._patient.remove(key.fd)
        else:
            with contextlib.suppress(OSError):  # it may be closed by now
                self._urgent.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Look for other events of a file; it may wait as before."""
        key = super().modify(fileobj, events, data)
        if key.fd not in self._patient:
            self._urgent.modify(key.fd, _epoll_events(events))
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. With sockets that wait, there may be nothing before the timeout."""
        if self._gathers and (timeout is None or timeout > 0):
            rest_s = self._until - time.monotonic()
            if rest_s > 0:
                self._urgent.poll(rest_s if timeout is None else min(rest_s, timeout), 1)
                timeout = 0
        ready = super().select(timeout)
        if self._patient:
            self._reckon(ready)
        return ready

    def _reckon(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        self._found += sum(key.fd in self._patient for key, _ in ready)
        now = time.monotonic()
        if now >= self._until:
            self._gathers = self._found >= SEVERAL
            self._found, self._until = 0, now + self._gather_s

    def close(self) -> None:
        """Look at nothing any more."""
        self._urgent.close()
        super().close()


def _epoll_events(events: int) -> int:
    reads = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return reads | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)
