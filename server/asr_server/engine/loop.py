"""The batch loop: work goes through the stages, each of them batched across sessions.

1. A turn takes what has arrived and begins batches for as long as there is room for them; what is
   computed in the loop's own thread is one batch a turn.
2. A new configuration holds from the next batch on.
3. Every utterance is answered once, and every stream comes to its end, unless it is cancelled.

No I/O: messages come in as arguments and go out as the value of the turn.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from asr_server.engine import (
    banks,
    feeds,
    live_utterances,
    overload,
    pipeline,
    protocols,
    streams,
    utterances,
)
from asr_server.engine import crew as crews
from asr_server.link import messages
from asr_server.scheduling import batch_rule, pace
from asr_server.speech.hints import Hints

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """What to send, and for how long to wait for messages before the next turn; None: for ever."""

    replies: list[messages.ToFront]
    wait_s: float | None


class BatchLoop:
    """The utterances and streams under way and the stages that they go through."""

    def __init__(
        self,
        models: protocols.Models,
        audio: protocols.Audio,
        limits: messages.BatchLimits,
        crew: crews.Crew,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audio = audio
        self._limits = limits
        self._crew = crew
        self._clock = clock
        self._free_since = clock()
        self._line = pipeline.Pipeline(models)
        self._overload = overload.Overload(self._line)
        self._work_ids = itertools.count()
        self._utterances: dict[int, utterances.Utterance] = {}
        self._streams: dict[int, streams.Stream] = {}
        self._replies: list[messages.ToFront] = []
        self._has_told_of_hotwords = False

    def turn(self, arrived: Iterable[messages.ToEngine]) -> Turn:
        """Take messages and what was computed, and begin batches."""
        for message in arrived:
            self._accept(message)
        self._take_finished()
        wait_s = self._begin_batches()
        if self._take_finished():
            wait_s = 0.0
        replies, self._replies = [*self._replies, *self._overload.take_news()], []
        return Turn(replies, self._overload.limit_wait(wait_s))

    def _accept(self, message: messages.ToEngine) -> None:
        match message:
            case messages.Feed() | messages.EndStream():  # first: they outnumber all others
                self._continue(message)
            case messages.Recognize():
                self._begin(message)
            case messages.Cancel():
                self._forget(self._utterances.pop(message.item_id, None))
            case messages.Configure():
                self._limits = message.limits
                self._overload.configure(message.shedding)
                self._line.forget_memory_limits()
            case messages.OpenStream():
                self._open(message)
            case messages.CancelStream():
                self._forget_stream(message.stream_id)

    def _begin(self, request: messages.Recognize) -> None:
        self._note(request.hints)
        audio = feeds.Feeds(self._audio, 0)
        try:
            audio.add(request.offset, request.samples)
        except ValueError as error:
            self._send(messages.Failed(request.item_id, str(error)))
            return
        utterance = utterances.Utterance(
            request, next(self._work_ids), audio, self._line, self._send
        )
        self._utterances[request.item_id] = utterance
        self._overload.hold_files(int(self._overload.files_wait))
        utterance.start(self._clock())

    def _open(self, request: messages.OpenStream) -> None:
        self._note(request.hints)
        try:
            if self._line.online:
                self._line.online.model.start(request.chunk_size)  # for its error
        except ValueError as error:
            self._send(messages.StreamFailed(request.stream_id, str(error)))
            return
        audio = feeds.Feeds(self._audio, request.start)
        start_s = request.start / live_utterances.SAMPLES_PER_S
        context = live_utterances.Context(
            request=request,
            work_id=next(self._work_ids),
            audio=audio,
            bank=banks.StreamBank(request.start),
            line=self._line,
            send=self._send,
            pace=pace.Pace(start_s),
        )
        self._streams[request.stream_id] = streams.Stream(context)

    def _continue(self, message: messages.Feed | messages.EndStream) -> None:
        stream = self._streams.get(message.stream_id)
        if stream is None:  # it has failed, and the front does not know yet
            return
        if isinstance(message, messages.Feed):
            stream.feed(message, self._clock())
        else:
            stream.end(message, self._clock())

    def _note(self, hints: Hints) -> None:
        """Say once that hotwords have no effect, if so."""
        if hints.hotwords and not (self._line.takes_hotwords or self._has_told_of_hotwords):
            self._has_told_of_hotwords = True
            logger.info("hotwords have no effect: the model is no SeACo-Paraformer")

    def _send(self, message: messages.ToFront) -> None:
        match message:
            case messages.Recognized() | messages.Failed():
                self._forget(self._utterances.pop(message.item_id, None))
            case messages.StreamEnded() | messages.StreamFailed():
                self._forget_stream(message.stream_id)
        self._replies.append(message)

    def _forget(self, gone: utterances.Utterance | streams.Stream | None) -> None:
        if gone is not None:
            self._line.discard(gone.work_id)

    def _forget_stream(self, stream_id: int) -> None:
        gone = self._streams.pop(stream_id, None)
        self._forget(gone)
        if gone is not None:
            gone.forget()

    def _begin_batches(self) -> float | None:
        """Return for how long to wait before more can begin, if nothing arrives or ends before."""
        while self._crew.has_room:
            now = self._clock()
            free_since = self._free_since if self._crew.is_idle else None
            decision = self._line.decide(
                self._limits, now, free_since=free_since, live=bool(self._streams)
            )
            if self._overload.observe(now):
                self._overload.hold_files(len(self._utterances))
            if decision is None:
                return None
            if isinstance(decision, batch_rule.Wait):
                return decision.until - now
            stage, release = decision
            self._crew.begin(stage.begin(release))
        return None

    def _take_finished(self) -> bool:
        """Take what was computed, and say whether something was."""
        finished = self._crew.take_finished()
        for batch in finished:
            batch.stage.finish(batch, self._clock, self._send)
        if finished:
            self._free_since = self._clock()
        return bool(finished)
