"""A stage of the engine: what waits for one model, how its batches are chosen, run and reported."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic

import msgspec

from asr_server.engine import protocols, recovery, utterances
from asr_server.engine.recovery import Input, Output
from asr_server.link import messages
from asr_server.scheduling import batch_rule, work_queue
from asr_server.scheduling import service_time as service_times


@dataclass(frozen=True, slots=True)
class Ran(Generic[Output]):
    """One outcome for each item of a batch, and what to report of the batch."""

    outcomes: list[Output | recovery.Poison]
    reports: list[messages.ToFront]


@dataclass
class Stage(Generic[Input, Output]):
    """One model with its queue, its learned speed and its memory limit.

    `gather` takes what the model needs out of an utterance; `advance` puts its output back.
    """

    name: messages.Stage
    compute: recovery.Compute[Input, Output]
    gather: Callable[[utterances.Utterance, int], Input]
    advance: Callable[[utterances.Utterance, int, Output], None]
    queue: work_queue.WorkQueue = field(default_factory=work_queue.WorkQueue)
    service_time: service_times.ServiceTime = field(default=service_times.ServiceTime())
    memory_limit_s: float = math.inf  # padded seconds of a batch

    def decide_batch(
        self, limits: messages.BatchLimits, now: float, *, idle: bool
    ) -> batch_rule.Release | batch_rule.Wait:
        """Choose among what waits, which is at least one item."""
        audio_s = min(limits.batch_audio_s, self.memory_limit_s)
        return batch_rule.decide_batch(
            self.queue.look_ahead(),
            msgspec.structs.replace(limits, batch_audio_s=audio_s),
            now,
            service_time=self.service_time,
            idle=idle,
        )

    def run(
        self,
        release: batch_rule.Release,
        known: Mapping[int, utterances.Utterance],
        device: protocols.Device,
        clock: Callable[[], float],
    ) -> Ran[Output]:
        """Compute a batch that `decide_batch` released; its items leave the queue."""
        self.queue.remove(release.items)
        inputs = [self.gather(known[item.item_id], item.index) for item in release.items]
        reports: list[messages.ToFront] = []

        def on_out_of_memory(size: int) -> None:
            self.memory_limit_s = min(
                self.memory_limit_s, release.padded_s * size / len(inputs) / 2
            )
            reports.append(messages.OutOfMemory(self.name, self.memory_limit_s))

        start = clock()
        outcomes = recovery.run_batch(self.compute, inputs, device, on_out_of_memory)
        busy_s = clock() - start
        if not reports and not any(isinstance(outcome, recovery.Poison) for outcome in outcomes):
            self.service_time = self.service_time.after(release.padded_s, busy_s)
        return Ran(outcomes, [_describe(self.name, release, start, busy_s), *reports])


def _describe(
    stage: messages.Stage, release: batch_rule.Release, start: float, busy_s: float
) -> messages.BatchRan:
    return messages.BatchRan(
        stage=stage,
        size=len(release.items),
        audio_s=release.audio_s,
        padded_s=release.padded_s,
        busy_s=busy_s,
        reason=release.reason,
        classes=tuple(item.item_class for item in release.items),
        waits=tuple(max(0.0, start - item.enqueued_at) for item in release.items),
    )
