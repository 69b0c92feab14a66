"""The stages of one engine, and which of them runs next.

1. The stage whose head is the most urgent runs; among equals, the one nearest to the answer.
2. The engine waits for company only where nothing else can be done: for what has just come in,
   while the engine was free and all other queues empty. The wait counts from when the front
   received it, and what comes out of a stage never waits again.
3. While a batch of a stage runs, what comes to that stage gathers, until it fills a batch; but a
   final does not wait where nothing but recordings runs.
4. Recordings and pieces of live audio have a stage each for the VAD, and share no batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asr_server.engine import protocols, stages
from asr_server.engine.protocols import Audio
from asr_server.link import messages
from asr_server.scheduling import batch_rule, shedding, work_queue
from asr_server.speech import hints, pieces, sounds, words

AnyStage = stages.Stage[Any, Any]
Piece = pieces.Piece[Any]
Endpoints = pieces.Endpoints[Any]
Spoken = pieces.Spoken[Any]
Speech = tuple[sounds.Sound, hints.Hints]
LIVE: tuple[messages.ItemClass, ...] = ("final", "partial")


@dataclass(frozen=True, slots=True)
class Online:
    """The streaming recogniser and its stage."""

    model: protocols.StreamingRecognizer
    stage: stages.Stage[Piece, Spoken]


class Pipeline:
    """The stages through which work goes; `punc` and `online` are there where the models are."""

    def __init__(self, models: protocols.Models) -> None:
        self.streaming_vad = models.streaming_vad
        self.vad = stages.Stage[Audio, sounds.Detected]("vad", models.vad.hear)
        self.pieces = stages.Stage[Piece, Endpoints](
            "vad", models.streaming_vad.advance, most_items=work_queue.LOOK_AHEAD
        )
        self.takes_hotwords = models.recognizer.takes_hotwords
        self.asr = stages.Stage[Speech, words.Words]("asr", _recognize_with(models.recognizer))
        self.punc: stages.Stage[Sequence[str], str] | None = None
        self.online: Online | None = None
        self._entries: tuple[AnyStage, ...] = (self.pieces, self.vad)
        inner: tuple[AnyStage, ...] = (self.asr,)
        if models.streaming_recognizer:
            steps = stages.Stage[Piece, Spoken]("asr_online", models.streaming_recognizer.advance)
            self.online = Online(models.streaming_recognizer, steps)
            inner = (*inner, steps)
        if models.punctuation:
            self.punc = stages.Stage("punc", models.punctuation.punctuate)
            inner = (self.punc, *inner)
        self._all = (*inner, *self._entries)
        self.partial_gap_s = 0.0  # new speech that a partial of 2pass needs; infinite: none is made
        self.partials_shed = 0

    def find_lateness(self, now: float) -> shedding.Lateness:
        """Return for how long live work has been due."""
        final, partial = (
            max(0.0, now - min(stage.queue.first_due(item_class) for stage in self._all))
            for item_class in LIVE
        )
        return shedding.Lateness(final, partial)

    def discard(self, work_id: int) -> None:
        """Drop all work with this id."""
        for stage in self._all:
            stage.discard(work_id)

    def hold_files(self, *, wait: bool) -> None:
        """Let files stand behind all that is live, in every stage, or no longer."""
        for stage in self._all:
            stage.queue.hold_files(wait=wait)

    def forget_memory_limits(self) -> None:
        """Try large batches again."""
        for stage in self._all:
            stage.memory_limit_s = float("inf")

    def decide(
        self, limits: messages.BatchLimits, now: float, *, free_since: float | None, live: bool
    ) -> tuple[AnyStage, batch_rule.Release] | batch_rule.Wait | None:
        """Return what to run now, or until when to wait for company; None when nothing waits.

        `free_since` is None while a batch runs.
        """
        ready = [stage for stage in self._all if stage.may_begin(limits.batch_size)]
        if not ready:
            return None
        stage = min(ready, key=lambda stage: stage.queue.most_urgent)
        idle = self._may_wait(stage, free_since)
        decision = stage.decide_batch(limits, now, idle=idle, live=live)
        return decision if isinstance(decision, batch_rule.Wait) else (stage, decision)

    def _may_wait(self, stage: AnyStage, free_since: float | None) -> bool:
        if free_since is None or stage not in self._entries:
            return False
        if any(each.queue for each in self._all if each is not stage):
            return False
        return all(item.enqueued_at >= free_since for item in stage.queue)


def _recognize_with(
    recognizer: protocols.Recognizer,
) -> Callable[[Sequence[Speech]], Sequence[words.Words]]:
    def recognize(batch: Sequence[Speech]) -> Sequence[words.Words]:
        return recognizer.recognize([audio for audio, _ in batch], [hint for _, hint in batch])

    return recognize
