"""One utterance of a stream: followed while it is spoken, recognised as a whole when it has ended.

1. The streaming recogniser goes through it in steps of one length. They follow from where the
   utterance starts and ends alone, never from when its audio came: as many whole steps as it has,
   then one last step with the rest, which may be empty. A step is taken when all of it is certain
   to belong to the utterance, one at a time.
   While the server sheds load, a step of 2pass may have to wait for several that are taken at once,
   or none is taken any more.
2. In mode online the last step is the final. In mode 2pass, or without a streaming recogniser, the
   end of the utterance ends the steps, and it is recognised as a whole; 2pass punctuates it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asr_server.engine import banks, feeds, pipeline, stages
from asr_server.link import messages
from asr_server.models import tokens as token_text
from asr_server.scheduling import pace, work
from asr_server.speech import pieces, sounds, words

SAMPLES_PER_S = 16_000
SAMPLES_PER_MS = SAMPLES_PER_S // 1000


@dataclass(frozen=True, slots=True)
class Context:
    """What an utterance needs of its stream; `work_id` is the id of all the stream's work."""

    request: messages.OpenStream
    work_id: int
    audio: feeds.Feeds
    bank: banks.StreamBank
    line: pipeline.Pipeline
    send: stages.Send
    pace: pace.Pace

    def fail(self, reason: str) -> None:
        """Give the stream up."""
        self.send(messages.StreamFailed(self.request.stream_id, reason))

    def plan_work(
        self, index: int, item_class: messages.ItemClass, start: int, end: int, since: float
    ) -> work.WorkItem:
        """Return the item for the samples from `start` to `end`, which wait since then."""
        due = self.pace.due(end / SAMPLES_PER_S, since)
        return work.WorkItem(
            item_id=self.work_id,
            index=index,
            item_class=item_class,
            audio_s=(end - start) / SAMPLES_PER_S,
            deadline=due + work.LIVE_WITHIN_S,
            received_at=since,
            enqueued_at=since,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    start: int
    end: int
    last: bool


class LiveUtterance:
    """It is open while it has no `end`, and answered when it has a `final`.

    Positions are samples from the start of the stream. `heard` is up to where the steps went,
    `unsent` is partial text that nobody was told yet; `tell` is called when there is some, and when
    there is the final.
    """

    __slots__ = (
        "_certain", "_context", "_decided", "_is_stepping", "_last_character", "_online", "_state",
        "_step_samples", "_tell", "_thinned", "_waiting", "end", "final", "heard",
        "number", "start", "unsent",
    )  # fmt: skip

    def __init__(self, context: Context, number: int, start: int, tell: Callable[[], None]) -> None:
        self.number = number
        self.start = start
        self.end: int | None = None
        self.final: messages.Final | None = None
        self.unsent = ""
        self._context = context
        self._tell = tell
        self._online = context.line.online  # as long as it is followed
        self._state, self._step_samples = None, 0
        if self._online is not None:
            model, size = self._online.model, context.request.chunk_size
            self._state, self._step_samples = model.start(size), model.step_samples(size)
        self.heard = self._certain = self._decided = start
        self._last_character = ""
        self._waiting: messages.ItemClass | None = None  # the class of the step that waits
        self._thinned = False  # whether a step was shed
        self._is_stepping = False  # its batch runs

    def follow(self, certain: int, now: float, *, goes_on: bool = False) -> None:
        """It is certain up to there: let its next step wait, if all of that is certain.

        `goes_on`: a step was just taken.
        """
        self._certain = certain
        step = self._plan_step()
        if step is None or self._online is None:
            return
        item_class: messages.ItemClass = "partial" if self.end is None else "final"
        if self._is_stepping or self._waiting == item_class:
            return
        if self._is_shed(goes_on=goes_on):
            return
        self._waiting = item_class

        def take(spoken: pieces.Spoken[Any], now: float) -> None:
            self._take_step(step, spoken)
            self.follow(self._certain, now, goes_on=True)

        self._online.stage.add(
            stages.Task(
                self._context.plan_work(self.number, item_class, step.start, step.end, now),
                lambda: self._begin_step(step),
                take,
                self._context.fail,
            )
        )

    def finish(self, end: int, decided: int, now: float) -> None:
        """Give it its end, which the audio before `decided` told."""
        self.end, self._decided = end, decided
        if self._online and self._context.request.mode == "online":
            self.follow(end, now)
            return
        self._overtake_steps(end)
        self._context.line.asr.add(
            stages.Task(
                self._context.plan_work(self.number, "final", self.start, end, now),
                lambda: (self._sound(self.start, end), self._context.request.hints),
                self._take_words,
                self._context.fail,
            )
        )

    def _is_shed(self, *, goes_on: bool) -> bool:
        """Put the next step off, or take none any more, as the server is told to."""
        gap_s = self._context.line.partial_gap_s
        if not gap_s or self.end is not None or self._context.request.mode == "online":
            return False
        if gap_s == math.inf:
            self._online = None  # to catch up later would cost what is saved
        elif goes_on or self._certain - self.heard >= gap_s * SAMPLES_PER_S:
            return False
        self._thinned = True
        return True

    def _overtake_steps(self, end: int) -> None:
        self._online, self.unsent = None, ""
        online = self._context.line.online
        if online is not None:
            online.stage.discard(self._context.work_id)
            if self._thinned:
                self._context.line.partials_shed += (end - self.heard) // self._step_samples

    def _plan_step(self) -> _Step | None:
        if self._online is None:
            return None
        stop = self.heard + self._step_samples
        if stop <= (self._certain if self.end is None else self.end):
            return _Step(self.heard, stop, last=False)
        return None if self.end is None else _Step(self.heard, self.end, last=True)

    def _begin_step(self, step: _Step) -> pieces.Piece[Any]:
        self._is_stepping = True
        sound = self._sound(step.start, step.end)
        return pieces.Piece(self._state, sound.audio, step.last, sound.bank)

    def _take_step(self, step: _Step, spoken: pieces.Spoken[Any]) -> None:
        self._waiting = None
        self._is_stepping = False
        self.heard = step.end
        self._state = spoken.state
        text = token_text.join(spoken.tokens, after=self._last_character)
        self._last_character = text[-1:] or self._last_character
        if step.last:
            self._online = None
            self._answer(text, words.Words(spoken.tokens))
        elif text:
            self.unsent += text
            self._tell()

    def _take_words(self, found: words.Words, now: float) -> None:
        punc, tokens = self._context.line.punc, found.tokens
        if punc is None or not tokens or self._context.request.mode == "online":
            self._answer(token_text.join(tokens), found)
            return
        item = self._context.plan_work(self.number, "final", self.start, self.end or 0, now)

        def take(text: str, _now: float) -> None:
            self._answer(text, found)

        punc.add(stages.Task(item, lambda: tokens, take, self._context.fail))

    def _answer(self, text: str, found: words.Words) -> None:
        stream_id, end = self._context.request.stream_id, self.end or 0
        said = found.later(self.start // SAMPLES_PER_MS)
        self.final = messages.Final(
            stream_id, self.number, self.start, end, text, said.tokens, self._decided, said.stamps
        )
        self._tell()

    def _sound(self, start: int, end: int) -> sounds.Sound:
        context = self._context
        return sounds.Sound(context.audio.audio(start, end), context.bank.cut(start, end))
