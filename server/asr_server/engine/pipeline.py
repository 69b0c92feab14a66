"""The stages of one engine, and which of them runs next.

1. The stage whose head is the most urgent runs; among equals, the one nearest to the answer.
2. The engine waits for company only where nothing else can be done: at the first stage, with all
   other queues empty, for work that came while the engine was free.
"""

from collections.abc import Sequence
from typing import Any

from asr_server.engine import protocols, stages
from asr_server.engine.protocols import Audio
from asr_server.link import messages
from asr_server.scheduling import batch_rule
from asr_server.speech import spans


class Pipeline:
    """The stages through which work goes; `punc` is there where the model has punctuation."""

    def __init__(self, models: protocols.Models) -> None:
        self.vad = stages.Stage[Audio, Sequence[spans.Span]]("vad", models.vad.detect)
        self.asr = stages.Stage[Audio, tuple[str, ...]]("asr", models.recognizer.recognize)
        self.punc: stages.Stage[Sequence[str], str] | None = None
        self._all: tuple[stages.Stage[Any, Any], ...] = (self.asr, self.vad)
        if models.punctuation:
            self.punc = stages.Stage("punc", models.punctuation.punctuate)
            self._all = (self.punc, *self._all)

    def discard(self, item_id: int) -> None:
        """Drop all that waits with this id."""
        for stage in self._all:
            stage.discard(item_id)

    def forget_memory_limits(self) -> None:
        """Try large batches again."""
        for stage in self._all:
            stage.memory_limit_s = float("inf")

    def decide(
        self, limits: messages.BatchLimits, now: float, *, free_since: float
    ) -> tuple[stages.Stage[Any, Any], batch_rule.Release] | batch_rule.Wait | None:
        """Return what to run now, or until when to wait for company; None when nothing waits."""
        stage = min(self._all, key=lambda stage: stage.queue.most_urgent)
        if not stage.queue:
            return None
        decision = stage.decide_batch(limits, now, idle=self._may_wait(free_since))
        return decision if isinstance(decision, batch_rule.Wait) else (stage, decision)

    def _may_wait(self, free_since: float) -> bool:
        newcomers = self.vad.queue
        return not any(stage.queue for stage in self._all if stage is not self.vad) and all(
            item.enqueued_at >= free_since for item in newcomers
        )
