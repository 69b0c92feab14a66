"""An input before and after its end has come: what a session remembers of it. Pure values."""

from dataclasses import dataclass, field

from asr_server.speech import audio, effects, messages
from asr_server.speech.effects import OutcomeKind, Outgoing, Reply
from asr_server.speech.live import LiveInput
from asr_server.speech.outbox import Slot

_NOTHING = effects.Transcript("")


@dataclass(slots=True)
class Stream:
    """A live input and its place in the order of replies."""

    live: LiveInput
    slot: Slot


@dataclass(slots=True)
class OpenInput:
    """The input whose end has not come."""

    options: messages.Options = field(default_factory=messages.Options)
    """What was said of it before its first audio."""
    begun: bool = False
    heard: bool = False
    refusal: str | None = None
    decoder: audio.Decoder | None = None
    dropped_bytes_per_s: int | None = None
    stream: Stream | None = None

    @property
    def samples(self) -> int:
        """Samples that lie here, and not in the engine's hands."""
        return 0 if self.decoder is None else self.decoder.samples

    def make_decoder(self, *, decoded: bool) -> audio.Decoder:
        """Return what reads its bytes; `decoded` are mono 16 kHz int16, whatever was said."""
        if decoded:
            return audio.Decoder(audio.SAMPLE_RATE_HZ, audio.Container.PCM)
        return audio.Decoder(self.options.sample_rate_hz, self.options.container)


@dataclass(frozen=True, slots=True)
class EndedInput:
    """An input whose end has come, and that is answered as a whole."""

    options: messages.Options
    ended_at: float
    samples: int
    acknowledge: bool

    def answer(
        self,
        outcome: OutcomeKind,
        error: str | None = None,
        found: effects.Transcript = _NOTHING,
    ) -> list[Outgoing]:
        """Return the last message, and the acknowledgement for those who ask."""
        mode, name = self.options.served, self.options.name
        audio_s = audio.duration_s(self.samples)
        answered = effects.Answered(outcome, mode, self.ended_at, audio_s)
        message = messages.render_final(mode, name, found.text, error, found.words)
        final = Reply(message, answered)
        if not self.acknowledge:
            return [final]
        received_ms = audio.duration_ms(self.samples)
        processed_ms = received_ms if outcome == "ok" else 0
        done = messages.render_acknowledgement(mode, name, received_ms, processed_ms, error)
        return [final, Reply(done)]
