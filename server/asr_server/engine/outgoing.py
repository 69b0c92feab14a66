"""What the engine has to say, and when: answers at once, reports with them or a little later.

Each message wakes the front's process, which costs more than to read it. Reports of batches, and
what is known to hold no speech, wait for the next message that does not, for `REPORT_S` at most.
Everything leaves in the order in which it was said. Pure.
"""

from collections.abc import Iterable

from asr_server.link import messages

REPORT_S = 0.25

_PATIENT = (messages.BatchRan, messages.Settled)


class Outgoing:
    """The messages that have not left; times are seconds, of whatever clock."""

    def __init__(self) -> None:
        self._messages: list[messages.ToFront] = []
        self._due = float("inf")

    def add(self, said: Iterable[messages.ToFront], now: float) -> None:
        """Take messages."""
        for message in said:
            self._messages.append(message)
            self._due = min(self._due, now + REPORT_S if isinstance(message, _PATIENT) else now)

    def take(self, now: float) -> list[messages.ToFront]:
        """Return what is to leave now: all, or nothing."""
        if now < self._due:
            return []
        leaving, self._messages, self._due = self._messages, [], float("inf")
        return leaving

    def limit_wait(self, wait_s: float | None, now: float) -> float | None:
        """Return for how long to wait, if without messages it would be so long; None: for ever."""
        if not self._messages:
            return wait_s
        due_s = max(0.0, self._due - now)
        return due_s if wait_s is None else min(wait_s, due_s)
