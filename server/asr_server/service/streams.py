"""Live inputs that are being recognised: audio to the engine as it comes, and its words back.

What came is sent in one go every few milliseconds for all streams together. When the engine dies,
each stream is opened again in the next one where it was settled, with the next utterance, and what
is unsettled is fed again: each final comes once, and no partial says again what was said.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from asr_server.link import messages
from asr_server.link.arena import Arena
from asr_server.link.channel import FrontChannel
from asr_server.service.stream_audio import StreamAudio
from asr_server.speech import audio, effects
from asr_server.speech.audio import Samples
from asr_server.speech.repeats import Repeats

FLUSH_S = 0.025

Deliver = Callable[[effects.StreamResult], None]
FromStream = (
    messages.Partial
    | messages.Final
    | messages.Settled
    | messages.StreamEnded
    | messages.StreamFailed
)


@dataclass(slots=True)
class _State:
    """One stream, whichever engine has it at the moment."""

    opening: messages.OpenStream
    deliver: Deliver
    audio: StreamAudio
    repeats: Repeats
    utterance: int = 0  # the next one to be answered
    ended_at: float | None = None


class Stream:
    """The front's handle of one live input."""

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
    """All open streams of a server."""

    def __init__(self, arena: Arena, ids: "itertools.count[int]") -> None:
        self._arena = arena
        self._ids = ids
        self._open: dict[int, _State] = {}
        self._fed: set[int] = set()
        self._flushing: asyncio.TimerHandle | None = None
        self._channel: FrontChannel | None = None
        self._gone: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether a stream has ended and is not answered to its end."""
        return any(state.ended_at is not None for state in self._open.values())

    def unsettled_s(self) -> float:
        """Return the seconds of audio that are not answered and may hold speech."""
        each = (state.audio.end - state.audio.settled for state in self._open.values())
        return audio.duration_s(sum(each))

    def open(
        self, mode: effects.LiveMode, chunk_size: effects.ChunkSize, deliver: Deliver
    ) -> Stream:
        """Begin a stream. Results are delivered from the event loop, never from in here."""
        stream_id = next(self._ids)
        opening = messages.OpenStream(stream_id, mode, chunk_size)
        repeats = Repeats(whole_finals=mode == "2pass")
        self._open[stream_id] = _State(opening, deliver, StreamAudio(self._arena), repeats)
        if self._gone is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._fail, stream_id, self._gone)
        elif self._channel is not None:
            self._channel.send(opening)
        return Stream(self, stream_id)

    def feed(self, stream_id: int, samples: Samples, now: float) -> int:
        """Take the next samples of a stream; return how many found room."""
        state = self._open.get(stream_id)
        if state is None:
            return len(samples)  # it has failed, which was delivered
        self._fed.add(stream_id)
        if self._flushing is None and self._channel is not None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(FLUSH_S, self._flush)
        return state.audio.append(samples, now)

    def end(self, stream_id: int, now: float) -> None:
        """End a stream, once."""
        state = self._open.get(stream_id)
        if state is None:
            return
        state.ended_at = now
        if self._channel is not None:
            self._channel.send_all([*_feeds(state), messages.EndStream(stream_id, now)])

    def cancel(self, stream_id: int) -> None:
        """Drop a stream."""
        if self._forget(stream_id) and self._channel is not None:
            self._channel.send(messages.CancelStream(stream_id))

    def connect(self, channel: FrontChannel) -> None:
        """Go on in the engine behind this channel."""
        self._channel = channel
        for state in self._open.values():
            state.audio.rewind()
            state.repeats.start_again()
            channel.send_all(_reopen(state))
        self._fed.clear()

    def disconnect(self) -> None:
        """The engine is gone."""
        self._channel = None
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def fail_all(self, reason: str) -> None:
        """Fail every stream, and every later one: there will be no engine any more."""
        self._gone = reason
        for stream_id in list(self._open):
            self._fail(stream_id, reason)

    def handle(self, message: FromStream) -> None:
        """Take a message of the engine; ones about streams that nobody listens to are ignored."""
        state = self._open.get(message.stream_id)
        if state is None:
            return
        match message:
            case messages.Partial(utterance=utterance, text=text, end=end):
                said = state.repeats.take_partial(text)
                heard_at = state.audio.arrival(end) if end else None
                state.deliver(effects.PartialText(utterance, said, heard_at))
            case messages.Final():
                state.deliver(_take_final(state, message))
            case messages.Settled(position=position):
                state.audio.settle(position)
                state.deliver(effects.SettledTo(state.audio.settled))
            case messages.StreamEnded():
                self._forget(message.stream_id)
                state.deliver(effects.StreamDone())
            case messages.StreamFailed(reason=reason):
                self._fail(message.stream_id, reason)

    def _fail(self, stream_id: int, reason: str) -> None:
        state = self._open.get(stream_id)
        if state is not None:
            self._forget(stream_id)
            state.deliver(effects.Failure(reason))

    def _forget(self, stream_id: int) -> bool:
        state = self._open.pop(stream_id, None)
        if state is None:
            return False
        self._fed.discard(stream_id)
        state.audio.release()
        return True

    def _flush(self) -> None:
        self._flushing = None
        if self._channel is not None:
            feeds = [feed for fed in self._fed for feed in _feeds(self._open[fed])]
            self._channel.send_all(feeds)
        self._fed.clear()


def _feeds(state: _State) -> list[messages.ToEngine]:
    stream_id, stored = state.opening.stream_id, state.audio
    return [
        messages.Feed(stream_id, part.offset, part.samples, stored.arrival(part.start + 1) or 0.0)
        for part in stored.take_unsent()
    ]


def _reopen(state: _State) -> list[messages.ToEngine]:
    opening = state.opening
    again = messages.OpenStream(
        opening.stream_id, opening.mode, opening.chunk_size, state.audio.settled, state.utterance
    )
    ended = state.ended_at
    end = [] if ended is None else [messages.EndStream(opening.stream_id, ended)]
    return [again, *_feeds(state), *end]


def _take_final(state: _State, final: messages.Final) -> effects.FinalText:
    now = asyncio.get_running_loop().time()
    began_at = state.audio.arrival(final.start + 1)
    ended_at = state.audio.arrival(final.end)
    state.utterance = final.utterance + 1
    state.audio.settle(final.end)
    return effects.FinalText(
        final.utterance,
        final.start,
        final.end,
        state.repeats.take_final(final.text),
        now if began_at is None else began_at,
        now if ended_at is None else ended_at,
    )
