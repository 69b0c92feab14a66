"""Live inputs that are being recognised: audio to the engine as it comes, and its words back.

What came is sent in one go every few milliseconds for all streams together; the more of them, the
less often, because two frames of a stream at once cost hardly more than one. When the engine dies,
each stream is opened again in the next one where it was settled, with the next utterance, and what
is unsettled is fed again: each final comes once, and no partial says again what was said.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable

from asr_server.link import messages
from asr_server.link.arena import Arena
from asr_server.link.channel import FrontChannel
from asr_server.service.live_stream import Deliver, LiveStream
from asr_server.service.trial import Trial
from asr_server.speech import audio, effects
from asr_server.speech.audio import Samples
from asr_server.speech.hints import NO_HINTS, Hints

FLUSH_S, FLUSH_PER_STREAM_S, MOST_FLUSH_S = 0.025, 0.0004, 0.12
TRIAL_S = 5.0  # an engine that lived so long with its suspects does not die of them
BLAME = "the recognition engine died twice over this audio"

FromStream = (
    messages.Partial
    | messages.Final
    | messages.Settled
    | messages.StreamEnded
    | messages.StreamFailed
)


def plan_flush(streams: int) -> float:
    """Return how long to gather audio after one flush had some of so many streams, in seconds."""
    return min(FLUSH_S + FLUSH_PER_STREAM_S * streams, MOST_FLUSH_S)


class Stream:
    """The handle of one live input."""

    def __init__(self, streams: "Streams", stream_id: int) -> None:
        self._streams = streams
        self._id = stream_id

    def feed(self, samples: Samples, now: float) -> int:
        """Take the next samples; return how many found room."""
        return self._streams.feed(self._id, samples, now)

    def end(self, now: float) -> None:
        """No more samples follow; what is open is finished, then `StreamDone` is delivered."""
        self._streams.end(self._id, now)

    def cancel(self) -> None:
        """Drop the stream; nothing is delivered any more."""
        self._streams.cancel(self._id)


class Streams:
    """All open streams of a server.

    `expect` is called when the engine has to answer, `relax` when it may have less to answer, or
    may have more than streams on trial.
    """

    def __init__(
        self,
        arena: Arena,
        ids: "itertools.count[int]",
        expect: Callable[[], None],
        relax: Callable[[], None],
    ) -> None:
        self._arena = arena
        self._ids = ids
        self._expect = expect
        self._relax = relax
        self._ended: set[int] = set()
        self._open: dict[int, LiveStream] = {}
        self._in_engine: set[int] = set()
        self._fed: set[int] = set()
        self._flushed = 0  # streams of which the last flush had audio
        self._unheard: set[int] = set()  # told of to the engine since it last said anything
        self._trial = Trial()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._channel: FrontChannel | None = None
        self._gone: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether a stream has ended and is not answered to its end."""
        return bool(self._ended)

    @property
    def busy(self) -> bool:
        """Whether the engine has something of a stream to which it has to say something."""
        return self.waiting or bool(self._unheard)

    def take_sign_of_life(self) -> None:
        """The engine said something, of whatever: it goes on with what it was told."""
        self._unheard.clear()

    @property
    def on_trial(self) -> bool:
        """Whether the engine shall have nothing else that it may die of."""
        return self._trial.running

    @property
    def open_streams(self) -> int:
        """How many inputs are open."""
        return len(self._open)

    def unsettled_s(self) -> float:
        """Return the seconds of audio that are not answered and may hold speech."""
        each = (stream.audio.end - stream.audio.settled for stream in self._open.values())
        return audio.duration_s(sum(each))

    def open(
        self,
        mode: effects.LiveMode,
        chunk_size: effects.ChunkSize,
        deliver: Deliver,
        hints: Hints = NO_HINTS,
    ) -> Stream:
        """Begin a stream. Results are delivered from the event loop, never from in here."""
        stream_id = next(self._ids)
        opening = messages.OpenStream(stream_id, mode, chunk_size, hints=hints)
        self._open[stream_id] = LiveStream(opening, deliver, self._arena)
        if self._gone is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._fail, stream_id, self._gone)
        elif self._channel is not None and self._trial.admits(stream_id):
            self._trial.enter(stream_id)
            self._enter(self._channel, [stream_id])
        return Stream(self, stream_id)

    def feed(self, stream_id: int, samples: Samples, now: float) -> int:
        """Take the next samples of a stream; return how many found room."""
        stream = self._open.get(stream_id)
        if stream is None:
            return len(samples)  # it has failed, which was delivered
        stored = stream.audio.append(samples, now)
        if stored and stream_id in self._in_engine:
            self._fed.add(stream_id)
            if "flush" not in self._timers:
                self._start_timer("flush", plan_flush(self._flushed), self._flush)
        return stored

    def end(self, stream_id: int, now: float) -> None:
        """End a stream, once."""
        stream = self._open.get(stream_id)
        if stream is None:
            return
        stream.ended_at = now
        self._ended.add(stream_id)
        self._fed.discard(stream_id)
        if self._channel is not None and stream_id in self._in_engine:
            self._channel.send_all(stream.render_news())
            self._owe([stream_id])

    def cancel(self, stream_id: int) -> None:
        """Drop a stream."""
        was_there = stream_id in self._in_engine
        self._forget(stream_id)
        if self._channel is not None and was_there:
            self._channel.send(messages.CancelStream(stream_id))
            self._relax()

    def connect(self, channel: FrontChannel) -> None:
        """Go on in the engine behind this channel."""
        self._channel = channel
        self._let_in()

    def disconnect(self) -> None:
        """The engine is gone: blame a stream for it, if that is clear."""
        if self._channel is None:
            return
        self._channel = None
        exposed = [each for each in self._in_engine if self._open[each].is_exposed]
        blamed = self._trial.lose_engine(sorted(exposed))
        self._in_engine.clear()
        self._fed.clear()
        self._unheard.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if blamed is not None:
            self._fail(blamed, BLAME)

    def fail_all(self, reason: str) -> None:
        """Fail every stream, and every later one: there will be no engine any more."""
        self._gone = reason
        for stream_id in list(self._open):
            self._fail(stream_id, reason)

    def handle(self, message: FromStream) -> None:
        """Take a message of the engine; ones about streams that nobody listens to are ignored."""
        stream = self._open.get(message.stream_id)
        if stream is None:
            return
        match message:
            case messages.Partial():
                stream.deliver(stream.take_partial(message))
            case messages.Final():
                now = asyncio.get_running_loop().time()
                stream.deliver(stream.take_final(message, now))
            case messages.Settled(position=position):
                stream.audio.settle(position)
                self._clear(message.stream_id)
                stream.deliver(effects.SettledTo(stream.audio.settled))
            case messages.StreamEnded():
                self._forget(message.stream_id)
                stream.deliver(effects.StreamDone())
            case messages.StreamFailed(reason=reason):
                self._fail(message.stream_id, reason)

    def _fail(self, stream_id: int, reason: str) -> None:
        stream = self._open.get(stream_id)
        if stream is not None:
            self._forget(stream_id)
            stream.deliver(effects.Failure(reason))

    def _forget(self, stream_id: int) -> None:
        stream = self._open.pop(stream_id, None)
        if stream is not None:
            self._in_engine.discard(stream_id)
            self._ended.discard(stream_id)
            self._fed.discard(stream_id)
            self._unheard.discard(stream_id)
            stream.audio.release()
            self._clear(stream_id)

    def _clear(self, stream_id: int) -> None:
        if self._trial.running and self._trial.clear([stream_id]):
            self._let_in()

    def _survive(self) -> None:
        self._trial.clear_all()
        self._let_in()

    def _let_in(self) -> None:
        """Let streams into the engine that may enter by now."""
        if self._channel is None:
            return
        waiting = self._open.keys() - self._in_engine
        self._enter(self._channel, sorted(filter(self._trial.admits, waiting)))
        if self._trial.running:
            self._start_timer("trial", TRIAL_S, self._survive)
        else:
            self._relax()

    def _enter(self, channel: FrontChannel, stream_ids: list[int]) -> None:
        self._in_engine.update(stream_ids)
        for stream_id in stream_ids:
            opening = self._open[stream_id].render_opening()
            channel.send_all(opening)
            if len(opening) > 1:
                self._owe([stream_id])

    def _flush(self) -> None:
        del self._timers["flush"]
        if self._channel is not None and self._fed:
            self._channel.send_all(
                news for fed in self._fed for news in self._open[fed].render_news()
            )
            self._owe(self._fed)
        self._flushed = len(self._fed)
        self._fed.clear()

    def _owe(self, stream_ids: Iterable[int]) -> None:
        self._unheard.update(stream_ids)
        self._expect()

    def _start_timer(self, name: str, after_s: float, call: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(after_s, call)
