"""One live input, in mode online or 2pass: what the client is told of it. Pure.

Rules
1. A partial adds to the text of the utterance that is open; a final ends it. In mode 2pass a final
   is the whole utterance anew, in mode online it adds too. A final without text is sent only where
   partials came before it, or as the last message.
2. `is_final` is true in the last message about an input alone, which always comes: the last final,
   if it came after the client's end, or else a message without text. So a final that comes after
   the end waits for the next word of the engine.
3. The last message waits for both: for the client's end, and for the engine to have answered all.
   It repeats the error, if there was one. The acknowledgement follows it, for those who ask.
4. Spans of finals and declared silence are what was received: `settled` is how far that goes.
"""

from dataclasses import dataclass

from asr_server.speech import audio, messages
from asr_server.speech.effects import (
    Answered,
    Failure,
    FinalText,
    Increment,
    LiveMode,
    OutcomeKind,
    Outgoing,
    PartialText,
    Reply,
    SettledTo,
    StreamDone,
    StreamResult,
)


@dataclass(frozen=True, slots=True)
class _Final:
    """A final that has not been sent, and what is to be known of its partials."""

    found: FinalText
    shown: bool
    first_partial_s: float | None


class LiveInput:
    """The state of one live input."""

    def __init__(self, number: int, mode: LiveMode, name: str) -> None:
        self.number = number
        self.mode: LiveMode = mode
        self.name = name
        self.received = 0
        self.settled = 0
        self.hushed = False
        """Whether the engine knows that no more audio comes."""
        self.error: str | None = None
        self._over = False  # the engine has said all
        self._ended: tuple[float, bool] | None = None  # when, and whether to acknowledge
        self._last_end = 0  # of a final, in samples
        self._answers = 0
        self._partial_at: float | None = None
        self._held: _Final | None = None

    @property
    def unsettled(self) -> int:
        """Samples that are neither answered nor known to hold no speech."""
        return 0 if self._over else self.received - self.settled

    @property
    def silence_s(self) -> float:
        """Seconds that are known to hold no speech, up to the newest audio that is settled."""
        return audio.duration_s(max(0, self.settled - self._last_end))

    @property
    def over(self) -> bool:
        """Whether the engine has said all that it will say."""
        return self._over

    @property
    def complete(self) -> bool:
        """Whether the last message has been given out."""
        return self._over and self._ended is not None

    def take(self, result: StreamResult, now: float) -> list[Outgoing]:
        """Take what the engine says; return what to send."""
        match result:
            case PartialText():
                return [*self._say_held(last=False), *self._take_partial(result, now)]
            case FinalText():
                return self._take_final(result)
            case SettledTo(position):
                self.settled = max(self.settled, position)
                return []
            case StreamDone():
                self.settled = self.received
                return self._finish()
            case Failure(reason):
                self.error = self.error or reason
                return [self.render_error(reason), *self._finish()]

    def end(self, now: float, *, acknowledge: bool) -> list[Outgoing]:
        """The client says that the input ends."""
        self._ended = now, acknowledge
        return self._say_last() if self._over else []

    def render_error(self, reason: str) -> Reply:
        """Return a message that does not end the input."""
        return Reply(messages.render_error(self.mode, self.name, reason))

    def _take_partial(self, found: PartialText, now: float) -> list[Outgoing]:
        if self._partial_at is None:
            self._partial_at = now
        if not found.text:
            return []
        key = (self.number, found.utterance)
        return [Increment(self.mode, self.name, key, found.text, found.heard_at)]

    def _take_final(self, found: FinalText) -> list[Outgoing]:
        said = self._say_held(last=False)
        first_partial_s = None
        if self._partial_at is not None:
            first_partial_s = max(0.0, self._partial_at - found.began_at)
        self._held = _Final(found, self._partial_at is not None, first_partial_s)
        self._partial_at = None
        self._last_end = found.end
        self.settled = max(self.settled, found.end)
        return said if self._ended else said + self._say_held(last=False)

    def _say_held(self, *, last: bool) -> list[Outgoing]:
        held, self._held = self._held, None
        if held is None:
            return []
        found = held.found
        if not (found.text or held.shown or last):
            return []
        self._answers += 1
        answered = Answered(
            "ok" if found.text or (held.shown and self.mode == "online") else "empty",
            self.mode,
            found.ended_at,
            audio.duration_s(found.end - found.start),
            held.first_partial_s,
        )
        error = self.error if last else None
        final = messages.LiveFinal(
            found.text,
            audio.duration_ms(found.start),
            audio.duration_ms(found.end),
            found.words,
        )
        message = messages.render_live_final(self.mode, self.name, final, last=last, error=error)
        return [Reply(message, answered)]

    def _finish(self) -> list[Outgoing]:
        self._over = True
        return self._say_last() if self._ended else self._say_held(last=False)

    def _say_last(self) -> list[Outgoing]:
        assert self._ended is not None
        ended_at, acknowledge = self._ended
        said = self._say_held(last=True) or [self._render_empty(ended_at)]
        if acknowledge:
            received_ms = audio.duration_ms(self.received)
            processed_ms = audio.duration_ms(self.settled)
            said.append(
                Reply(
                    messages.render_acknowledgement(
                        self.mode, self.name, received_ms, processed_ms, self.error
                    )
                )
            )
        return said

    def _render_empty(self, ended_at: float) -> Reply:
        outcome: OutcomeKind = "failed" if self.error else "empty"
        answered = None
        if self.error or not self._answers:
            answered = Answered(outcome, self.mode, ended_at, 0.0)
        return Reply(messages.render_final(self.mode, self.name, "", self.error), answered)
