"""Ends the engine when a batch does not end: a hang of the device, or of a library.

Only the end of the process frees a thread that hangs. The front starts the next engine, and what
was not answered goes there. A hang that holds the whole interpreter stops this thread too, which
says once a second that it runs: the front, which does not hear that any more, ends the engine.
Where the watchdog itself comes too late, all was frozen: that time counts for no batch.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_S = 60.0  # that any batch may take, beside the length of its audio: none is slower than speech
CHECK_S = 1.0
HUNG_STATUS = 3

logger = logging.getLogger(__name__)


class Watchdog:
    """Knows which batches run, and until when they may; `beat` is called with each check."""

    def __init__(
        self,
        clock: Callable[[], float],
        end_process: Callable[[int], object] = os._exit,
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self._beat = beat
        self._end_process = end_process
        self._lock = threading.Lock()
        self._running: dict[object, tuple[str, float, float]] = {}
        self._checked_at: float | None = None
        self._frozen_s = 0.0

    def start(self) -> None:
        """Begin to check."""
        threading.Thread(target=self._check_for_ever, name="watchdog", daemon=True).start()

    @contextmanager
    def watch(self, about: str, audio_s: float) -> Iterator[None]:
        """Watch what runs inside: a batch of so many padded seconds. `about` says which."""
        key, now = object(), self._clock()
        with self._lock:
            self._running[key] = about, now, now - self._frozen_s + MOST_S + audio_s
        try:
            yield
        finally:
            with self._lock:
                del self._running[key]

    def check(self) -> None:
        """End the process if a batch has run for too long; to be called every CHECK_S seconds."""
        now = self._clock()
        with self._lock:
            if self._checked_at is not None:
                self._frozen_s += max(0.0, now - self._checked_at - CHECK_S)
            self._checked_at = now
            overdue = [
                (about, began)
                for about, began, until in self._running.values()
                if now - self._frozen_s > until
            ]
        for about, began in overdue:
            logger.critical("%s has not ended in %.0f s: the engine ends", about, now - began)
            self._end_process(HUNG_STATUS)

    def _check_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(CHECK_S):
            self.check()
            self._beat()
