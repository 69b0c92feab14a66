"""One client's session: messages in, effects out. No I/O and no clock here: `now` is an argument.

Rules
1. Binary messages are audio of the current input, however they are cut; text messages say what the
   audio is and when the input ends. The byte after an end belongs to the next input.
2. Every end is answered by exactly one message that is final, also when the input was empty,
   refused, or failed in the engine; the acknowledgement follows it, for those who ask.
3. Replies leave in the order of the inputs, whatever order the engine answers in.
4. An offline input is recognised when it ends. A live one (online, 2pass) is from its first sample
   on a stream, and what is said of it meanwhile is the affair of `live`.
5. An input that cannot be recognised (mode, format, length, broken audio) is refused at once by an
   error message; the rest of it is dropped unread, and its last message repeats the reason. Of a
   live input all that was accepted is answered. What is dropped for lack of room is told.
6. A text message that is not understood is answered by an error message and changes nothing else.
7. Options stay as the client said until it says otherwise, like in FunASR's servers; the audio, the
   refusal and the decoder belong to one input. Options that come after the first audio of an input
   describe the next one, unless they are bad: then an offline input is refused, and a client with a
   live one is told.
"""

from dataclasses import replace

from asr_server.speech import audio, effects, messages, outbox, riff
from asr_server.speech.effects import Effect, LiveMode, Outgoing, Reply
from asr_server.speech.inputs import EndedInput, OpenInput, Stream
from asr_server.speech.live import LiveInput
from asr_server.speech.outbox import Slot


class Session:
    """The state of one client between two messages."""

    def __init__(self, limits: effects.SessionLimits) -> None:
        self._limits = limits
        self._options = messages.Options()
        self._input = OpenInput()
        self._outbox = outbox.Outbox()
        self._pending: dict[int, tuple[Slot, EndedInput]] = {}
        self._streams: dict[int, Stream] = {}
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
        options = self._options
        is_file = options.container is audio.Container.FILE
        return options.problem is None and options.live is None and is_file

    @property
    def live(self) -> LiveInput | None:
        """The live input that has not ended, if there is one."""
        return self._input.stream.live if self._input.stream else None

    @property
    def pending(self) -> int:
        """Number of inputs that have ended and that the engine has not answered."""
        open_streams = 0 if self._input.stream is None or self._input.stream.live.over else 1
        return len(self._pending) + len(self._streams) - open_streams

    @property
    def held_samples(self) -> int:
        """Samples of the current input and of all that is unanswered."""
        return self._pending_samples + self._input.samples

    def receive_text(self, text: str, now: float) -> list[Effect]:
        """Take a text message."""
        control = messages.parse_control(text, self._options)
        if isinstance(control, messages.Malformed):
            return self._reply_error(control.reason)
        self._options, self._input.begun = control.options, True
        if self._input.stream is not None:
            self._input.stream.live.name = control.options.name
        problem = control.problem or self._options.problem
        told = self._tell_problem(problem) if problem else []
        if not control.ends_input:
            return told
        return told + self.end_input(now, acknowledge=control.wants_acknowledgement)

    def receive_audio(self, data: bytes, *, decoded: bool = False) -> list[Effect]:
        """Take a piece of audio, of any length. Costs time in proportion to it.

        `decoded`: it was a file, and is mono 16 kHz int16 by now.
        """
        current = self._input
        if not current.heard:
            current.begun = current.heard = True
            current.options = self._options
        if current.refusal is not None:
            pace, mode = current.dropped_bytes_per_s, current.options.served
            return [effects.Dropped(len(data) / pace, mode)] if pace else []
        if current.stream is None and (problem := self._options.problem):
            return self.refuse_input(problem)
        options = current.options
        try:
            if current.decoder is None:
                current.decoder = current.make_decoder(decoded=decoded)
            current.decoder.feed(data)
        except riff.AudioError as error:
            return self.refuse_input(options.explain(error))
        if options.live:
            return self._hear(options.live, current.decoder.take())
        return self._refuse_beyond_limits()

    def refuse_input(self, reason: str) -> list[Effect]:
        """Refuse the current input, once: what comes of it is dropped.

        What came of it is dropped too, but for what the engine has of a live input.
        """
        current = self._input
        if current.refusal is not None:
            return []
        current.begun, current.refusal, current.decoder = True, reason, None
        told = self._reply_error(reason)
        if current.stream is not None:
            current.stream.live.error = reason
            told += self._hush(current.stream.live)
        return told

    def refuse_for_room(self, reason: str) -> list[Effect]:
        """Refuse the current input because its audio cannot be held, though it is as it should be.

        What is dropped for that is told, and what comes of it too.
        """
        current = self._input
        if current.decoder is None:
            return []
        current.dropped_bytes_per_s = current.decoder.bytes_per_s
        dropped: list[Effect] = []
        if current.stream is None:
            audio_s = audio.duration_s(current.samples)
            dropped.append(effects.Dropped(audio_s, current.options.served, begins=True))
        return dropped + self.refuse_input(reason)

    def refuse_samples(self, number: int, samples: int, reason: str) -> list[Effect]:
        """Take back the last samples of a `Hear`: there is no room for them."""
        stream = self._streams.get(number)
        if stream is None:
            return []
        stream.live.received -= samples
        self._pending_samples -= samples
        if self._input.stream is stream:
            return self.refuse_for_room(reason)
        stream.live.error = stream.live.error or reason  # its end has come already
        return []

    def end_input(self, now: float, *, acknowledge: bool = False) -> list[Effect]:
        """End the current input, as the client's own end message does."""
        current = self._input
        samples, refusal = self._take_samples()
        heard: list[Effect] = []
        if current.options.live and samples is not None and len(samples):
            heard = self._hear(current.options.live, samples)
        self._input = OpenInput()
        if current.stream is not None:
            return heard + self._end_stream(current.stream, now, acknowledge=acknowledge)
        count = 0 if samples is None else len(samples)
        options = self._options
        if current.heard:
            options = replace(options, mode=current.options.mode)
        ended = EndedInput(options, now, count, acknowledge)
        if refusal is not None:
            return self._answer(ended.answer("refused", refusal))
        if samples is None or count == 0:
            return self._answer(ended.answer("empty"))
        slot = Slot(open=True)
        number = self._take_number()
        self._pending[number] = slot, ended
        self._pending_samples += count
        submit = effects.Submit(number, samples, self._options.hints, now)
        return [submit, *self._reply(slot)]

    def resolve(self, number: int, result: effects.Transcript | effects.Failure) -> list[Effect]:
        """Take the engine's answer to the utterance with this number."""
        slot, ended = self._pending.pop(number)
        self._pending_samples -= ended.samples
        slot.open = False
        if isinstance(result, effects.Transcript):
            slot.add(ended.answer("ok", found=result))
        else:
            slot.add(ended.answer("failed", result.reason))
        return [*self._outbox.flush()]

    def take_result(self, number: int, result: effects.StreamResult, now: float) -> list[Effect]:
        """Take what the engine says of the live input with this number."""
        stream = self._streams.get(number)
        if stream is None:
            return []
        live, before = stream.live, stream.live.unsettled
        stream.slot.add(live.take(result, now))
        self._pending_samples -= before - live.unsettled
        if live.over:
            del self._streams[number]
            stream.slot.open = not live.complete
            if self._input.stream is stream and live.error:
                self._input.refusal = live.error
        return [*self._outbox.flush(), *self._check_outbox()]

    def _hear(self, mode: LiveMode, samples: audio.Samples) -> list[Effect]:
        if not len(samples):
            return []
        told: list[Effect] = []
        stream = self._input.stream
        if stream is None:
            stream = self._input.stream = self._open_stream(mode)
            said = self._input.options
            told = [effects.Listen(stream.live.number, mode, said.chunk_size, said.hints)]
            told += self._reply(stream.slot)
        stream.live.received += len(samples)
        self._pending_samples += len(samples)
        told.append(effects.Hear(stream.live.number, mode, samples))
        if audio.duration_s(self._pending_samples) > self._limits.queued_s:
            told += self.refuse_for_room(self._too_much())
        return told

    def _open_stream(self, mode: LiveMode) -> Stream:
        live = LiveInput(self._take_number(), mode, self._options.name)
        stream = self._streams[live.number] = Stream(live, Slot(open=True))
        return stream

    def _end_stream(self, stream: Stream, now: float, *, acknowledge: bool) -> list[Effect]:
        hushed = self._hush(stream.live)
        stream.slot.add(stream.live.end(now, acknowledge=acknowledge))
        stream.slot.open = not stream.live.complete
        return [*hushed, *self._outbox.flush()]

    def _hush(self, live: LiveInput) -> list[Effect]:
        if live.hushed or live.over:
            return []
        live.hushed = True
        return [effects.Hush(live.number)]

    def _take_number(self) -> int:
        self._number += 1
        return self._number

    def _take_samples(self) -> tuple[audio.Samples | None, str | None]:
        current = self._input
        if current.decoder is None or current.refusal is not None:
            return None, current.refusal
        try:
            return current.decoder.finish(), None
        except riff.AudioError as error:
            return None, current.options.explain(error)

    def _refuse_beyond_limits(self) -> list[Effect]:
        limits = self._limits
        if audio.duration_s(self._input.samples) > limits.utterance_s:
            return self.refuse_input(f"an input may last {limits.utterance_s:g} s, not longer")
        if audio.duration_s(self.held_samples) > limits.queued_s:
            return self.refuse_for_room(self._too_much())
        return []

    def _too_much(self) -> str:
        limit_s = self._limits.queued_s
        return f"a session may have {limit_s:g} s of unanswered audio: wait for finals"

    def _tell_problem(self, problem: str) -> list[Effect]:
        if self._input.stream is not None:
            return self._reply_error(problem)
        return self.refuse_input(problem)

    def _reply_error(self, reason: str) -> list[Effect]:
        stream = self._input.stream
        if stream is not None and not stream.live.complete:
            stream.slot.add([stream.live.render_error(reason)])
            return [*self._outbox.flush(), *self._check_outbox()]
        options = self._options
        return self._answer([Reply(messages.render_error(options.served, options.name, reason))])

    def _answer(self, replies: list[Outgoing]) -> list[Effect]:
        slot = Slot()
        slot.add(replies)
        return self._reply(slot)

    def _reply(self, slot: Slot) -> list[Effect]:
        self._outbox.append(slot)
        return self._check_outbox() or [*self._outbox.flush()]

    def _check_outbox(self) -> list[Effect]:
        if self._outbox.waiting > self._limits.replies:
            return [effects.Disconnect(f"more than {self._limits.replies} replies are waiting")]
        return []
