"""One client's session: messages in, effects out. No I/O and no clock here: `now` is an argument.

Rules
1. Binary messages are audio of the current input, however they are cut; text messages say what the
   audio is and when the input ends. The byte after an end belongs to the next input.
2. Every end is answered by exactly one final, also when the input was empty, refused, or failed in
   the engine; the acknowledgement follows it, for those who ask.
3. Replies leave in the order of what they answer, whatever order the engine answers in.
4. An input that cannot be recognised (mode, format, length, broken audio) is refused at once by an
   error message; the rest of it is dropped unread, and its final repeats the reason. What is
   dropped for lack of room is told in seconds.
5. A text message that is not understood is answered by an error message and changes nothing else.
6. Options stay as the client said until it says otherwise, like in FunASR's servers; the audio, the
   refusal and the decoder belong to one input. Options that come after the first audio of an input
   describe the next one, unless they are bad: then the input is refused.
"""

from collections import deque
from dataclasses import dataclass

from asr_server.speech import audio, effects, messages, riff
from asr_server.speech.effects import Effect, OutcomeKind, Reply, Submit


@dataclass(slots=True)
class _Input:
    """The input whose end has not come."""

    begun: bool = False
    heard: bool = False
    refusal: str | None = None
    decoder: audio.Decoder | None = None
    dropped_bytes_per_s: int | None = None

    @property
    def samples(self) -> int:
        return 0 if self.decoder is None else self.decoder.samples


@dataclass(frozen=True, slots=True)
class _Ended:
    """An input whose end has come."""

    name: str
    ended_at: float
    samples: int
    acknowledge: bool

    def answer(self, outcome: OutcomeKind, text: str, error: str | None) -> tuple[Reply, ...]:
        answered = effects.Answered(outcome, self.ended_at, audio.duration_s(self.samples))
        final = Reply(messages.render_final(self.name, text, error), answered)
        if not self.acknowledge:
            return (final,)
        received_ms = audio.duration_ms(self.samples)
        processed_ms = received_ms if outcome == "ok" else 0
        done = messages.render_acknowledgement(self.name, received_ms, processed_ms, error)
        return final, Reply(done)


@dataclass(slots=True)
class _Slot:
    """A place in the order of replies: empty while the engine works on its utterance."""

    replies: tuple[Reply, ...] = ()
    waits: bool = False


class Session:
    """The state of one client between two messages."""

    def __init__(self, limits: effects.SessionLimits) -> None:
        self._limits = limits
        self._options = messages.Options()
        self._input = _Input()
        self._outbox: deque[_Slot] = deque()
        self._pending: dict[int, tuple[_Slot, _Ended]] = {}
        self._pending_samples = 0
        self._number = 0

    @property
    def in_input(self) -> bool:
        """Whether an input has begun, by a message or by audio, and not ended."""
        return self._input.begun

    @property
    def has_audio(self) -> bool:
        """Whether audio has come of an input that has not ended."""
        return self._input.heard

    @property
    def refused(self) -> bool:
        """Whether the current input is refused: what comes of it is dropped."""
        return self._input.refusal is not None

    @property
    def takes_file(self) -> bool:
        """Whether the current input would be a file, in whatever format."""
        return self._options.problem is None and self._options.container is audio.Container.FILE

    @property
    def pending(self) -> int:
        """Number of utterances that the engine has not answered."""
        return len(self._pending)

    @property
    def held_samples(self) -> int:
        """Samples of the current input and of all unanswered utterances."""
        return self._pending_samples + self._input.samples

    def receive_text(self, text: str, now: float) -> list[Effect]:
        """Take a text message."""
        control = messages.parse_control(text, self._options)
        if isinstance(control, messages.Malformed):
            return self._reply_error(control.reason)
        self._options, self._input.begun = control.options, True
        problem = control.problem or self._options.problem
        refused = self.refuse_input(problem) if problem else []
        if not control.ends_input:
            return refused
        return refused + self.end_input(now, acknowledge=control.wants_acknowledgement)

    def receive_audio(self, data: bytes, *, decoded: bool = False) -> list[Effect]:
        """Take a piece of audio, of any length. Costs time in proportion to it.

        `decoded`: it was a file, and is mono 16 kHz int16 by now.
        """
        current = self._input
        current.begun = current.heard = True
        if current.refusal is not None:
            pace = current.dropped_bytes_per_s
            return [effects.Dropped(len(data) / pace)] if pace else []
        if problem := self._options.problem:
            return self.refuse_input(problem)
        try:
            if current.decoder is None:
                current.decoder = self._make_decoder(decoded=decoded)
            current.decoder.feed(data)
        except riff.AudioError as error:
            return self.refuse_input(str(error))
        return self._refuse_beyond_limits()

    def refuse_input(self, reason: str) -> list[Effect]:
        """Refuse the current input, once: what came of it is dropped, and what comes of it too."""
        if self._input.refusal is not None:
            return []
        self._input.begun, self._input.refusal, self._input.decoder = True, reason, None
        return self._reply_error(reason)

    def refuse_for_room(self, reason: str) -> list[Effect]:
        """Refuse the current input because its audio cannot be held, though it is as it should be.

        What came of it is told as dropped, and what comes of it too.
        """
        current = self._input
        if current.decoder is None:
            return []
        dropped = effects.Dropped(audio.duration_s(current.samples), begins=True)
        current.dropped_bytes_per_s = current.decoder.bytes_per_s
        return [dropped, *self.refuse_input(reason)]

    def end_input(self, now: float, *, acknowledge: bool = False) -> list[Effect]:
        """End the current input, as the client's own end message does."""
        samples, refusal = self._take_samples()
        self._input = _Input()
        count = 0 if samples is None else len(samples)
        ended = _Ended(self._options.name, now, count, acknowledge)
        if refusal is not None:
            return self._reply(_Slot(ended.answer("refused", "", refusal)))
        if samples is None or count == 0:
            return self._reply(_Slot(ended.answer("empty", "", None)))
        slot = _Slot(waits=True)
        self._number += 1
        self._pending[self._number] = slot, ended
        self._pending_samples += count
        submit = Submit(self._number, samples, self._options.hotwords, now)
        return [submit, *self._reply(slot)]

    def resolve(self, number: int, result: effects.Transcript | effects.Failure) -> list[Effect]:
        """Take the engine's answer to the utterance with this number."""
        slot, ended = self._pending.pop(number)
        self._pending_samples -= ended.samples
        slot.waits = False
        if isinstance(result, effects.Transcript):
            slot.replies = ended.answer("ok", result.text, None)
        else:
            slot.replies = ended.answer("failed", "", result.reason)
        return self._flush()

    def _make_decoder(self, *, decoded: bool) -> audio.Decoder:
        if decoded:
            return audio.Decoder(audio.SAMPLE_RATE_HZ, audio.Container.PCM)
        return audio.Decoder(self._options.sample_rate_hz, self._options.container)

    def _take_samples(self) -> tuple[audio.Samples | None, str | None]:
        if self._input.decoder is None:
            return None, self._input.refusal
        try:
            return self._input.decoder.finish(), None
        except riff.AudioError as error:
            return None, str(error)

    def _refuse_beyond_limits(self) -> list[Effect]:
        limits = self._limits
        if audio.duration_s(self._input.samples) > limits.utterance_s:
            return self.refuse_input(f"an input may last {limits.utterance_s:g} s, not longer")
        if audio.duration_s(self.held_samples) > limits.queued_s:
            return self.refuse_for_room(
                f"a session may have {limits.queued_s:g} s of unanswered audio: wait for finals"
            )
        return []

    def _reply_error(self, reason: str) -> list[Effect]:
        return self._reply(_Slot((Reply(messages.render_error(self._options.name, reason)),)))

    def _reply(self, slot: _Slot) -> list[Effect]:
        self._outbox.append(slot)
        if len(self._outbox) > self._limits.replies:
            return [effects.Disconnect(f"more than {self._limits.replies} replies are waiting")]
        return self._flush()

    def _flush(self) -> list[Effect]:
        ready: list[Effect] = []
        while self._outbox and not self._outbox[0].waits:
            ready += self._outbox.popleft().replies
        return ready
