"""What crosses the border of a session: limits, effects, and the engine's results. Only values."""

from dataclasses import dataclass
from typing import Literal

from asr_server.speech.audio import Samples
from asr_server.speech.hints import NO_HINTS, Hints
from asr_server.speech.words import NO_WORDS, Words

OutcomeKind = Literal["ok", "empty", "failed", "refused"]
Mode = Literal["offline", "online", "2pass"]
LiveMode = Literal["online", "2pass"]
ChunkSize = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one session may hold."""

    utterance_s: float
    """Seconds of one offline input; a live one may go on for ever."""
    queued_s: float
    """Seconds of the current input and of all unanswered ones."""
    replies: int
    """Replies that wait for the engine or for earlier replies."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the engine made of an utterance; its words have times from the start of it."""

    text: str
    words: Words = NO_WORDS


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the engine made nothing of an utterance, or of the rest of a live input."""

    reason: str


@dataclass(frozen=True, slots=True)
class PartialText:
    """What was added to the text of the utterance of a live input that is still open.

    `heard_at`: when the newest audio came that it is made of, where that is known.
    """

    utterance: int
    text: str
    heard_at: float | None = None


@dataclass(frozen=True, slots=True)
class FinalText:
    """An utterance of a live input: from sample `start` to `end`, which came at these times.

    In mode 2pass `text` is the whole of it, in mode online what the last chunk added. Its words
    have times from the start of the input.
    """

    utterance: int
    start: int
    end: int
    text: str
    began_at: float
    ended_at: float
    words: Words = NO_WORDS


@dataclass(frozen=True, slots=True)
class SettledTo:
    """All samples of a live input before `position` are answered, or hold no speech."""

    position: int


@dataclass(frozen=True, slots=True)
class StreamDone:
    """Everything in a live input that has ended is answered."""


StreamResult = PartialText | FinalText | SettledTo | StreamDone | Failure


@dataclass(frozen=True, slots=True)
class Answered:
    """How an utterance was answered: for metrics, when the final has been sent."""

    outcome: OutcomeKind
    mode: Mode
    ended_at: float
    audio_s: float
    first_partial_s: float | None = None
    """From the arrival of its first sample to its first partial."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this message; `answered` is set in finals only."""

    message: str
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Increment:
    """Send what was added to an utterance, or send it with what is added next, if that comes first.

    `key` is of the utterance, among all of the session.
    """

    mode: LiveMode
    name: str
    key: tuple[int, int]
    text: str
    heard_at: float | None


@dataclass(frozen=True, slots=True)
class Submit:
    """Have this utterance recognised and call `Session.resolve` with its number."""

    number: int
    samples: Samples
    hints: Hints
    ended_at: float


@dataclass(frozen=True, slots=True)
class Listen:
    """A live input begins: call `Session.take_result` with its number and each result."""

    number: int
    mode: LiveMode
    chunk_size: ChunkSize
    hints: Hints = NO_HINTS


@dataclass(frozen=True, slots=True)
class Hear:
    """The next samples of a live input; call `Session.refuse_samples` for those without room."""

    number: int
    mode: LiveMode
    samples: Samples


@dataclass(frozen=True, slots=True)
class Hush:
    """No more audio of a live input follows."""

    number: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """This much audio was dropped because there was no room: it is demand all the same."""

    audio_s: float
    mode: Mode = "offline"
    begins: bool = False
    """Whether it is the first of its input."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection: the client breaks the rules in a way that no reply can mend."""

    reason: str


Outgoing = Reply | Increment
Effect = Outgoing | Submit | Listen | Hear | Hush | Dropped | Disconnect
