"""A stretch of time in an utterance. Pure: no audio, no model and no clock is known here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_ms` up to, not including, `end_ms`, counted from the start of the audio."""

    start_ms: int
    end_ms: int
