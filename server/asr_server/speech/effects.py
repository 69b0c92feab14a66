"""What crosses the border of a session: limits, effects, and the engine's results. Only values."""

from dataclasses import dataclass
from typing import Literal

from asr_server.speech.audio import Samples
from asr_server.speech.hotwords import Hotword

OutcomeKind = Literal["ok", "empty", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one session may hold."""

    utterance_s: float
    """Seconds of one input."""
    queued_s: float
    """Seconds of the current input and of all unanswered ones."""
    replies: int
    """Replies that wait for the engine or for earlier replies."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the engine made of an utterance."""

    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the engine made nothing of an utterance."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """How an input was answered: for metrics, when the final has been sent."""

    outcome: OutcomeKind
    ended_at: float
    audio_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this message; `answered` is set in finals only."""

    message: str
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """Have this utterance recognised and call `Session.resolve` with its number."""

    number: int
    samples: Samples
    hotwords: tuple[Hotword, ...]
    ended_at: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """This much audio was dropped because there was no room: it is demand all the same."""

    audio_s: float
    begins: bool = False
    """Whether it is the first of its input."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection: the client breaks the rules in a way that no reply can mend."""

    reason: str


Effect = Reply | Submit | Dropped | Disconnect
