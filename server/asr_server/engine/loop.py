"""The batch loop: utterances go through vad, asr and punc, each stage batched across sessions.

1. A turn takes what has arrived and runs at most one batch, of the stage whose head is the most
   urgent; among equals, of the stage nearest to the answer.
2. A new configuration holds from the next batch on.
3. The engine waits for company only where nothing else can be done: at the first stage, with all
   other queues empty, for work that came while the engine was free.
4. Every utterance is answered once, unless it is cancelled.

No I/O: messages come in as arguments and go out as the value of the turn.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asr_server.engine import protocols, recovery, stages, utterances
from asr_server.link import messages
from asr_server.models import tokens as token_text
from asr_server.scheduling import batch_rule
from asr_server.speech import spans


@dataclass(frozen=True, slots=True)
class Turn:
    """What to send, and for how long to wait for messages before the next turn; None: for ever."""

    replies: list[messages.ToFront]
    wait_s: float | None


class BatchLoop:
    """The utterances under way and the queues of the stages."""

    def __init__(
        self,
        models: protocols.Models,
        audio: protocols.Audio,
        limits: messages.BatchLimits,
        device: protocols.Device,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audio = audio
        self._limits = limits
        self._device = device
        self._clock = clock
        self._free_since = clock()
        self._utterances: dict[int, utterances.Utterance] = {}
        self._replies: list[messages.ToFront] = []
        whole, segment = utterances.Utterance.whole_audio, utterances.Utterance.segment_audio
        self._vad = stages.Stage("vad", models.vad.detect, whole, self._detected)
        self._asr = stages.Stage("asr", models.recognizer.recognize, segment, self._recognized)
        self._punc: stages.Stage[Sequence[str], str] | None = None
        self._stages: tuple[stages.Stage[Any, Any], ...] = (self._asr, self._vad)
        if models.punctuation:
            every_token = utterances.Utterance.all_tokens
            self._punc = stages.Stage(
                "punc", models.punctuation.punctuate, every_token, self._punctuated
            )
            self._stages = (self._punc, *self._stages)

    def turn(self, arrived: Iterable[messages.ToEngine]) -> Turn:
        """Take messages and run at most one batch."""
        for message in arrived:
            self._accept(message)
        wait_s = self._run_most_urgent()
        replies, self._replies = self._replies, []
        return Turn(replies, wait_s)

    def _accept(self, message: messages.ToEngine) -> None:
        match message:
            case messages.Recognize():
                self._begin(message)
            case messages.Cancel():
                self._forget(message.item_id)
            case messages.Configure():
                self._limits = message.limits
                for stage in self._stages:
                    stage.memory_limit_s = float("inf")

    def _begin(self, request: messages.Recognize) -> None:
        end = request.offset + request.samples
        if request.offset < 0 or request.samples < 0 or end > len(self._audio):
            self._fail(request.item_id, f"samples {request.offset} to {end} are not in the arena")
            return
        utterance = utterances.Utterance(request, self._audio[request.offset : end])
        self._utterances[request.item_id] = utterance
        self._vad.queue.add(utterance.whole_work(self._clock()))

    def _forget(self, item_id: int) -> None:
        if self._utterances.pop(item_id, None):
            for stage in self._stages:
                stage.queue.discard(item_id)

    def _run_most_urgent(self) -> float | None:
        stage = min(self._stages, key=lambda stage: stage.queue.most_urgent)
        if not stage.queue:
            return None
        now = self._clock()
        decision = stage.decide_batch(self._limits, now, idle=self._may_wait())
        if isinstance(decision, batch_rule.Wait):
            return decision.until - now
        self._run(stage, decision)
        return 0.0

    def _may_wait(self) -> bool:
        newcomers = self._vad.queue
        return not any(stage.queue for stage in self._stages if stage is not self._vad) and all(
            item.enqueued_at >= self._free_since for item in newcomers
        )

    def _run(self, stage: stages.Stage[Any, Any], release: batch_rule.Release) -> None:
        ran = stage.run(release, self._utterances, self._device, self._clock)
        self._replies += ran.reports
        for item, outcome in zip(release.items, ran.outcomes, strict=True):
            utterance = self._utterances.get(item.item_id)
            if utterance is None:  # another segment of it has failed
                continue
            if isinstance(outcome, recovery.Poison):
                self._fail(item.item_id, outcome.reason)
            else:
                stage.advance(utterance, item.index, outcome)
        self._free_since = self._clock()

    def _detected(
        self, utterance: utterances.Utterance, _index: int, found: Sequence[spans.Span]
    ) -> None:
        utterance.take_spans(found)
        for item in utterance.segment_works(self._clock()):
            self._asr.queue.add(item)
        if not found:
            self._finish(utterance.answer(""))

    def _recognized(
        self, utterance: utterances.Utterance, index: int, tokens: tuple[str, ...]
    ) -> None:
        utterance.take_tokens(index, tokens)
        if not utterance.is_recognized:
            return
        spoken = utterance.all_tokens()
        if self._punc and spoken:
            self._punc.queue.add(utterance.text_work(self._clock()))
        else:
            self._finish(utterance.answer(token_text.join(spoken)))

    def _punctuated(self, utterance: utterances.Utterance, _index: int, text: str) -> None:
        self._finish(utterance.answer(text))

    def _finish(self, answer: messages.Recognized) -> None:
        del self._utterances[answer.item_id]
        self._replies.append(answer)

    def _fail(self, item_id: int, reason: str) -> None:
        self._forget(item_id)
        self._replies.append(messages.Failed(item_id, reason))
