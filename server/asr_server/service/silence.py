"""Whether an engine hangs, by how long it has said nothing.

It says once a second that its process runs, and answers while it has work. Times are the event
loop's, in seconds.
"""

SILENT_S = 60.0  # an engine with work may be silent for so long, and for as long as a batch lasts
FROZEN_S = 15.0  # without the word that its process runs


class Silence:
    """What the engine that is there at the moment owes."""

    def __init__(self) -> None:
        self._owed_since: float | None = None  # since when it has to say something
        self._alive_at: float | None = None  # when it said that its process runs

    def forget(self) -> None:
        """Another engine is there, and owes nothing yet."""
        self._owed_since = self._alive_at = None

    def take_alive(self, now: float) -> None:
        """It has said that its process runs."""
        self._alive_at = now

    def expect(self, now: float) -> None:
        """It has work, and is to say something of it."""
        if self._owed_since is None:
            self._owed_since = now

    def settle(self) -> None:
        """It has said something of its work, or has none."""
        self._owed_since = None

    def give_time(self, seconds: float, now: float) -> None:
        """Let it be silent for so much longer: it did not run, or was not heard."""
        if self._owed_since is not None:
            self._owed_since = min(self._owed_since + seconds, now)
        if self._alive_at is not None:
            self._alive_at = min(self._alive_at + seconds, now)

    def is_too_long(self, now: float, batch_s: float) -> bool:
        """Say whether it hangs, where no batch takes longer than `batch_s`."""
        if self._alive_at is not None and now - self._alive_at > FROZEN_S:
            return True
        return self._owed_since is not None and now - self._owed_since > SILENT_S + batch_s
