"""When the audio of a stream would have come at the pace of speech. No clock: `now` is an argument.

Who sends a recording as if it were live sends an hour in seconds. It is not due before it could
have been spoken: else one such stream would make all that is spoken now late.
"""

FASTEST_RATIO = 1.05  # clients' clocks are no better than this
AHEAD_S = 1.0  # in pieces as long as this, live audio comes all at once


class Pace:
    """How far a stream is ahead of speech; positions are seconds of audio."""

    __slots__ = ("_at", "_end_s")

    def __init__(self, start_s: float) -> None:
        self._at: float | None = None  # when the newest audio would have been spoken
        self._end_s = start_s

    def take(self, end_s: float, received_at: float) -> None:
        """Take note that audio has come up to this position."""
        before = received_at - AHEAD_S if self._at is None else self._at
        self._at = max(before + (end_s - self._end_s) / FASTEST_RATIO, received_at)
        self._end_s = end_s

    def due(self, position_s: float, since: float) -> float:
        """Return from when what ends at this position, and waits since then, is to be served."""
        if self._at is None:
            return since
        spoken_at = self._at - (self._end_s - position_s) / FASTEST_RATIO
        return max(since, spoken_at - AHEAD_S)
