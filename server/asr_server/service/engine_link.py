"""Work to the engine and its answers back: the front's side of the link.

Utterances are here, live inputs in `streams`. Owns the arena. Survives the engine: what a dead
engine has not answered goes to the next one, from the audio that is still here, so each utterance
is answered once. Nothing here starts processes.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from asr_server.link.arena import Arena
from asr_server.link.channel import FrontChannel
from asr_server.link.messages import (
    Alive,
    BatchLimits,
    BatchRan,
    Cancel,
    Configure,
    Failed,
    Final,
    ItemClass,
    OutOfMemory,
    Overload,
    Partial,
    Recognize,
    Recognized,
    Settled,
    SheddingLimits,
    StreamEnded,
    StreamFailed,
    ToFront,
)
from asr_server.service.dispatch import Dispatch, Item
from asr_server.service.live_stream import Deliver
from asr_server.service.silence import Silence
from asr_server.service.streams import Streams
from asr_server.speech import audio
from asr_server.speech.audio import Samples
from asr_server.speech.effects import ChunkSize, LiveMode
from asr_server.speech.hints import NO_HINTS, Hints

PIECE_SAMPLES = 1 << 18  # the event loop turns between pieces: an hour is copied in 220

Answer = Recognized | Failed
Report = BatchRan | OutOfMemory | Overload


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in the arena an utterance lies, in samples."""

    offset: int
    samples: int


class Engine(Protocol):
    """What sessions need of the engine."""

    async def store(self, samples: Samples) -> Stored | None:
        """Copy audio to where the engine sees it; None when there is no room for it now."""

    async def recognize(
        self,
        stored: Stored,
        item_class: ItemClass,
        now: float,
        deadline: float,
        hints: Hints = NO_HINTS,
    ) -> Answer:
        """Return the answer; the stored audio is gone after that."""
        ...

    def open_stream(
        self,
        mode: LiveMode,
        chunk_size: ChunkSize,
        deliver: Deliver,
        hints: Hints = NO_HINTS,
    ) -> "Stream":
        """Begin to recognise a live input; results are delivered until it is done or has failed."""
        ...


class Stream(Protocol):
    """A live input, as sessions see it."""

    def feed(self, samples: Samples, now: float) -> int:
        """Take the next samples; return how many found room."""

    def end(self, now: float) -> None:
        """No more samples follow."""

    def cancel(self) -> None:
        """Drop it; nothing is delivered any more."""


class EngineLink:
    """The engine, whichever process it is at the moment."""

    def __init__(self, arena: Arena, limits: BatchLimits, report: Callable[[Report], None]) -> None:
        self.arena = arena
        self.limits = limits
        self.shedding = SheddingLimits()
        self.shedding_step = 0
        """How much the engine leaves undone (`scheduling.shedding.Step`)."""
        self.hotwords: tuple[str, ...] = ()
        """What all sessions prefer, beside their own."""
        self._report = report
        self._ids = itertools.count(1)
        self._dispatch = Dispatch()
        self.streams = Streams(arena, self._ids, self._expect_answer, self._reckon)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._channel: FrontChannel | None = None
        self._unanswered_samples = 0
        self._gone: str | None = None
        self._storing = asyncio.Lock()  # one piece at a time, of whoever's audio
        self._silence = Silence()

    @property
    def connected(self) -> bool:
        """Whether an engine takes work."""
        return self._channel is not None

    @property
    def stalled(self) -> bool:
        """Whether the engine hangs: its process does not run, or a batch does not end.

        It has not said for long that it runs; or it has work, and has said nothing else for longer
        than any batch may take: none is longer than the limit or its longest item, and none is
        slower than speech.
        """
        longest_s = audio.duration_s(self._dispatch.longest_samples)
        batch_s = max(longest_s, self.limits.batch_audio_s)
        return self.connected and self._silence.is_too_long(_now(), batch_s)

    def give_time(self, seconds: float) -> None:
        """Let the engine be silent for so much longer: it did not run, or was not heard."""
        self._silence.give_time(seconds, _now())

    async def store(self, samples: Samples) -> Stored | None:
        """Copy audio into the arena, piece by piece; None when it has no room."""
        offset = self.arena.allocate(len(samples))
        if offset is None:
            return None
        try:
            for start in range(0, len(samples), PIECE_SAMPLES):
                async with self._storing:
                    self.arena.write(offset + start, samples[start : start + PIECE_SAMPLES])
                    await asyncio.sleep(0)
        except BaseException:
            self._give_back(offset)
            raise
        return Stored(offset, len(samples))

    async def recognize(
        self,
        stored: Stored,
        item_class: ItemClass,
        now: float,
        deadline: float,
        hints: Hints = NO_HINTS,
    ) -> Answer:
        """Return the answer, from whichever engine gives it; cancelling drops the item."""
        if self._gone is not None:
            self._give_back(stored.offset)
            return Failed(0, self._gone)
        place = stored.offset, stored.samples
        wanted = hints.prefer_too(self.hotwords)
        item = Item(next(self._ids), item_class, *place, now, deadline, wanted)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[item.item_id] = answer
        self._unanswered_samples += item.samples
        self._dispatch.add(item)
        self._pump()
        try:
            return await answer
        finally:
            self._unanswered_samples -= item.samples
            del self._answers[item.item_id]
            self._drop(item)

    def open_stream(
        self,
        mode: LiveMode,
        chunk_size: ChunkSize,
        deliver: Deliver,
        hints: Hints = NO_HINTS,
    ) -> Stream:
        """Begin to recognise a live input, in whichever engines there are while it lasts."""
        return self.streams.open(mode, chunk_size, deliver, hints.prefer_too(self.hotwords))

    def unanswered_s(self) -> float:
        """Return the seconds of audio that the engine has not answered."""
        return audio.duration_s(self._unanswered_samples)

    def configure(self, limits: BatchLimits, shedding: SheddingLimits) -> None:
        """Use these limits from the engine's next batch on, and in every later engine."""
        self.limits, self.shedding = limits, shedding
        if self._channel is not None:
            self._channel.send(Configure(limits, shedding))

    def connect(self, channel: FrontChannel) -> None:
        """Give work to the engine behind this channel: it has loaded its models."""
        self._channel = channel
        channel.send(Configure(self.limits, self.shedding))
        self._silence.forget()
        self.streams.connect(channel)
        self._pump()

    def disconnect(self) -> None:
        """The engine is gone: keep its work for the next, but for an item that is to blame."""
        self._channel = None
        self._take_report(Overload(0))
        self.streams.disconnect()
        blamed = self._dispatch.lose_engine()
        if blamed is not None:
            reason = "the recognition engine died twice over this audio"
            self._resolve(Failed(blamed.item_id, reason))

    def fail_all(self, reason: str) -> None:
        """Answer everything, from now on too: there will be no engine any more."""
        self._gone = reason
        self.streams.fail_all(reason)
        for item_id in list(self._answers):
            self._resolve(Failed(item_id, reason))

    def handle(self, message: ToFront) -> None:
        """Take a message of the engine; ones about items that nobody waits for are ignored."""
        if isinstance(message, Alive):
            self._silence.take_alive(_now())
            return
        self._silence.settle()
        self.streams.take_sign_of_life()
        if isinstance(message, Recognized | Failed):
            self._resolve(message)
            self._pump()
        elif isinstance(message, Partial | Final | Settled | StreamEnded | StreamFailed):
            self.streams.handle(message)
        elif isinstance(message, BatchRan | OutOfMemory | Overload):
            self._take_report(message)
        if self._dispatch.engine_has_items or self.streams.waiting:
            self._expect_answer()

    def _take_report(self, report: Report) -> None:
        if isinstance(report, Overload):
            self.shedding_step = report.step
        self._report(report)

    def _expect_answer(self) -> None:
        self._silence.expect(_now())

    def _reckon(self) -> None:
        if not (self._dispatch.engine_has_items or self.streams.busy):
            self._silence.settle()
        self._pump()

    def _pump(self) -> None:
        if self._channel is None or self.streams.on_trial:
            return
        for item in self._dispatch.take():
            self._expect_answer()
            self._channel.send(
                Recognize(
                    item_id=item.item_id,
                    item_class=item.item_class,
                    offset=item.offset,
                    samples=item.samples,
                    received_at=item.received_at,
                    deadline=item.deadline,
                    hints=item.hints,
                )
            )

    def _resolve(self, answer: Answer) -> None:
        self._dispatch.remove(answer.item_id)
        waiting = self._answers.get(answer.item_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _drop(self, item: Item) -> None:
        # An engine that still runs a cancelled item reads other audio or zeros, for nobody.
        if self._dispatch.remove(item.item_id) and self._channel is not None:
            self._channel.send(Cancel(item.item_id))
        self._give_back(item.offset)
        self._reckon()

    def _give_back(self, offset: int) -> None:
        # All of an hour at once would stop the event loop for a tenth of a second.
        if not self.arena.release_some(offset, PIECE_SAMPLES):
            asyncio.get_running_loop().call_soon(self._give_back, offset)


def _now() -> float:
    return asyncio.get_running_loop().time()
