"""What one session asked for and got: counted in the metrics, and told when it ends."""

import time
from collections import Counter

from asr_server.metrics import SessionMetrics
from asr_server.speech.effects import Answered, Increment, Mode, Outgoing


class Account:
    """The sums of one session."""

    def __init__(self, metrics: SessionMetrics) -> None:
        self._metrics = metrics
        self._totals: Counter[str] = Counter()
        self._audio_s = 0.0

    def count_demand(self, mode: Mode, audio_s: float, inputs: int = 0) -> None:
        """Count audio that came, whatever becomes of it."""
        item_class = _class(mode)
        if inputs:
            self._totals["utterances"] += inputs
            self._metrics.received_items.labels(item_class).inc(inputs)
        self._metrics.received_audio_s.counts[item_class] += audio_s

    def count_sent(self, reply: Outgoing) -> None:
        """Count a reply that has left."""
        if isinstance(reply, Increment):
            if reply.heard_at is not None:
                lag_s = time.monotonic() - reply.heard_at
                self._metrics.partial_lag_s.labels(reply.mode).observe(lag_s)
        elif reply.answered is not None:
            self._count_answer(reply.answered)

    def totals(self) -> dict[str, float]:
        """Return what is worth a line in the log."""
        return {"audio_s": round(self._audio_s, 3), **self._totals}

    def _count_answer(self, answered: Answered) -> None:
        metrics, mode = self._metrics, answered.mode
        self._totals[answered.outcome] += 1
        metrics.utterances.labels(answered.outcome).inc()
        if answered.first_partial_s is not None:
            metrics.first_partial_s.labels(mode).observe(answered.first_partial_s)
        if answered.outcome == "ok":
            self._audio_s += answered.audio_s
            metrics.audio_s.labels(_class(mode)).inc(answered.audio_s)
            metrics.final_latency_s.labels(mode).observe(time.monotonic() - answered.ended_at)


def _class(mode: Mode) -> str:
    return "file" if mode == "offline" else "final"
