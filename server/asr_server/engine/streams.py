"""One stream on its way through the stages: audio that is still being spoken, and its utterances.

1. Everything goes through the VAD. It opens utterances and ends them; no sample is in two of them.
2. Finals come in the order of their utterances, each once; partials of an utterance come after the
   finals of those before it.
3. Audio is settled once it is answered, or known to hold no speech.
4. What cannot be computed ends the stream, and no other.

No torch, no clock: messages and results in, messages out.
"""

from collections import deque
from typing import Any

from asr_server.engine import listener, live_utterances
from asr_server.link import messages
from asr_server.scheduling import work
from asr_server.speech import pieces

SAMPLES_PER_MS = live_utterances.SAMPLES_PER_S // 1000
SETTLE_SAMPLES = live_utterances.SAMPLES_PER_S  # silence is settled in stretches of so much


class Stream:
    """A stream and those of its utterances that are not answered.

    `StreamEnded` or `StreamFailed` is the last message that it sends.
    """

    __slots__ = (
        "_context", "_decided", "_hindsight", "_is_heard", "_listener", "_next_number", "_settled",
        "_utterances", "_waiting_since",
    )  # fmt: skip

    def __init__(self, context: live_utterances.Context) -> None:
        request = context.request
        self._context = context
        self._listener = listener.Listener(context.line, context.audio, request.start, self)
        self._hindsight = context.line.streaming_vad.hindsight_ms * SAMPLES_PER_MS
        self._waiting_since = 0.0  # when the oldest audio came that the VAD was not given
        self._utterances: deque[live_utterances.LiveUtterance] = deque()
        self._next_number = request.first_utterance
        self._decided = self._settled = request.start
        self._is_heard = False

    @property
    def work_id(self) -> int:
        """The id of all its work."""
        return self._context.work_id

    def feed(self, feed: messages.Feed, now: float) -> None:
        """Take the next audio."""
        context, audio = self._context, self._context.audio
        if self._listener.is_closed:
            self.fail("audio came after the end of the stream")
            return
        self._note_arrival(feed.received_at)
        try:
            audio.add(feed.offset, feed.samples)
        except ValueError as error:
            self.fail(str(error))
        else:
            context.pace.take(audio.end / live_utterances.SAMPLES_PER_S, feed.received_at)
            self._listener.listen(now)

    def end(self, end: messages.EndStream, now: float) -> None:
        """Finish what is open: no more audio comes."""
        self._note_arrival(end.received_at)
        self._listener.close(now)

    def fail(self, reason: str) -> None:
        """Give the stream up."""
        self._context.fail(reason)

    def forget(self) -> None:
        """Let go of what models remember of it, which is memory of the device: it is over."""
        self._utterances.clear()
        self._listener.forget()

    def piece_work(self, start: int, end: int, now: float) -> work.WorkItem:
        """Return the work of hearing the samples from `start` to `end`."""
        return self._context.plan_work(0, "final", start, end, min(self._waiting_since, now))

    def take_endpoints(self, found: pieces.Endpoints[Any], now: float, *, last: bool) -> None:
        """Take what the VAD knows after a piece, the last or another."""
        if found.bank:
            self._context.bank.add(found.bank)
        for span in found.ended:
            utterance = self._find_open() or self._open(span.start_ms)
            end = self._position(span.end_ms)
            decided = min(end + self._hindsight, self._listener.heard)
            utterance.finish(end, decided, now)
        if found.open_since is not None:
            utterance = self._find_open() or self._open(found.open_since)
            utterance.follow(self._position(found.certain_ms), now)
        self._is_heard = last
        self._decided = self._position(found.decided_ms)
        self._settle(at_least=SETTLE_SAMPLES)

    def _find_unanswered(self) -> int:
        return self._utterances[0].start if self._utterances else self._decided

    def _find_open(self) -> live_utterances.LiveUtterance | None:
        newest = self._utterances[-1] if self._utterances else None
        return newest if newest and newest.end is None else None

    def _open(self, start_ms: int) -> live_utterances.LiveUtterance:
        utterance = live_utterances.LiveUtterance(
            self._context, self._next_number, self._position(start_ms), self._send_news
        )
        self._next_number += 1
        self._utterances.append(utterance)
        return utterance

    def _send_news(self) -> None:
        stream_id, send = self._context.request.stream_id, self._context.send
        has_answered = False
        while self._utterances:
            first = self._utterances[0]
            if first.unsent:
                send(messages.Partial(stream_id, first.number, first.unsent, first.heard))
                first.unsent = ""
            if first.final is None:
                break
            send(first.final)
            self._utterances.popleft()
            has_answered = True
        if has_answered:
            self._settle(at_least=1)

    def _settle(self, *, at_least: int) -> None:
        """Tell up to where everything is answered, if that is news of `at_least` samples."""
        context = self._context
        position = self._find_unanswered()
        context.bank.release(position)
        is_over = self._is_heard and not self._utterances
        if is_over:
            position, at_least = context.audio.end, 1
        if position - self._settled >= at_least:
            self._settled = position
            context.audio.release(position)
            context.send(messages.Settled(context.request.stream_id, position))
        if is_over:
            context.send(messages.StreamEnded(context.request.stream_id))

    def _note_arrival(self, received_at: float) -> None:
        if self._listener.given == self._context.audio.end:
            self._waiting_since = received_at

    def _position(self, ms: int) -> int:
        return self._context.request.start + ms * SAMPLES_PER_MS
