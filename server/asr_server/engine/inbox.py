"""Messages on their way from the channel to the batch loop: a thread reads, the loop takes.

The thread does nothing but read, so that it costs the loop nothing while torch computes. When the
parent is gone nobody wants an answer any more, and the process ends in the middle of whatever runs.
"""

import logging
import os
import threading
from collections.abc import Callable

from asr_server.link import channel, messages

logger = logging.getLogger(__name__)

Receive = Callable[[], messages.ToEngine | None]


class Inbox:
    """What has arrived and was not taken yet."""

    def __init__(self, receive: Receive, end_process: Callable[[int], object] = os._exit) -> None:
        self._receive = receive
        self._end_process = end_process
        self._arrival = threading.Condition()
        self._arrived: list[messages.ToEngine] = []
        self._is_woken = False

    def start(self) -> None:
        """Start to read."""
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def take(self, wait_s: float | None) -> list[messages.ToEngine]:
        """Return all that has arrived, after waiting for the first for `wait_s`; None: for ever.

        Who is woken waits no longer.
        """
        with self._arrival:
            if not self._arrived and not self._is_woken:
                self._arrival.wait(wait_s)
            self._is_woken = False
            taken, self._arrived = self._arrived, []
        return taken

    def wake(self) -> None:
        """End the wait, or the next one, from another thread."""
        with self._arrival:
            self._is_woken = True
            self._arrival.notify()

    def _read(self) -> None:
        try:
            while (message := self._receive()) is not None:
                with self._arrival:
                    self._arrived.append(message)
                    self._arrival.notify()
        except channel.ChannelError:
            logger.exception("the front sent what is no message")
            self._end_process(1)
        else:
            self._end_process(0)
