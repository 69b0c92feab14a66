"""A stage of the engine: what waits for one model, how its batches are chosen, run and reported."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

import msgspec

from asr_server.engine import protocols, recovery
from asr_server.engine.recovery import Input, Output
from asr_server.link import messages
from asr_server.scheduling import batch_rule, work, work_queue
from asr_server.scheduling import service_time as service_times

Send = Callable[[messages.ToFront], None]


@dataclass(frozen=True, slots=True)
class Task(Generic[Input, Output]):
    """A piece of work for a model, and what becomes of the answer.

    `gather` gives what the model needs at the moment its batch runs. Then either `take` has the
    model's output and the time, or `fail` the reason why there is none; neither after a discard.
    """

    item: work.WorkItem
    gather: Callable[[], Input]
    take: Callable[[Output, float], None]
    fail: Callable[[str], None]


@dataclass(eq=False)
class Stage(Generic[Input, Output]):
    """One model with its queue, its learned speed and its memory limit.

    Where `most_items` is given it bounds a batch in place of the configured size. Such a stage has
    pieces of live audio, many a second for each stream: their waits are not reported one by one.
    """

    name: messages.Stage
    compute: recovery.Compute[Input, Output]
    most_items: int | None = None
    queue: work_queue.WorkQueue = field(default_factory=work_queue.WorkQueue)
    service_time: service_times.ServiceTime = field(default=service_times.ServiceTime())
    memory_limit_s: float = math.inf  # padded seconds of a batch
    _tasks: dict[int, dict[int, Task[Input, Output]]] = field(default_factory=dict)

    def add(self, task: Task[Input, Output]) -> None:
        """Let a task wait; it replaces one that waits with the same id and index."""
        self.queue.add(task.item)
        self._tasks.setdefault(task.item.item_id, {})[task.item.index] = task

    def discard(self, item_id: int) -> None:
        """Drop all tasks of this id, those of a batch whose answers are being told included."""
        self.queue.discard(item_id)
        self._tasks.pop(item_id, None)

    def decide_batch(
        self, limits: messages.BatchLimits, now: float, *, idle: bool, live: bool
    ) -> batch_rule.Release | batch_rule.Wait:
        """Choose among what waits, which is at least one item."""
        own_limits = msgspec.structs.replace(
            limits,
            batch_size=self.most_items or limits.batch_size,
            batch_audio_s=min(limits.batch_audio_s, self.memory_limit_s),
        )
        return batch_rule.decide_batch(
            self.queue.look_ahead(),
            own_limits,
            now,
            service_time=self.service_time,
            idle=idle,
            live=live,
        )

    def run(
        self,
        release: batch_rule.Release,
        device: protocols.Device,
        clock: Callable[[], float],
        send: Send,
    ) -> None:
        """Compute a batch that `decide_batch` released, report it, and tell its tasks."""
        self.queue.remove(release.items)
        inputs = [self._tasks[item.item_id][item.index].gather() for item in release.items]
        reports: list[messages.ToFront] = []

        def on_out_of_memory(size: int) -> None:
            limit_s = release.padded_s * size / len(inputs) / 2
            self.memory_limit_s = min(self.memory_limit_s, limit_s)
            reports.append(messages.OutOfMemory(self.name, self.memory_limit_s))

        start = clock()
        outcomes = recovery.run_batch(self.compute, inputs, device, on_out_of_memory)
        busy_s = clock() - start
        if not reports and not any(isinstance(outcome, recovery.Poison) for outcome in outcomes):
            self.service_time = self.service_time.after(release.padded_s, busy_s)
        for report in [self._describe(release, start, busy_s), *reports]:
            send(report)
        for item, outcome in zip(release.items, outcomes, strict=True):
            self._tell(item, outcome, clock())

    def _tell(self, item: work.WorkItem, outcome: Output | recovery.Poison, now: float) -> None:
        siblings = self._tasks.get(item.item_id, {})
        task = siblings.pop(item.index, None)
        if task is None:  # discarded, because another task of this id has failed
            return
        if not siblings:
            del self._tasks[item.item_id]
        if isinstance(outcome, recovery.Poison):
            task.fail(outcome.reason)
        else:
            task.take(outcome, now)

    def _describe(
        self, release: batch_rule.Release, start: float, busy_s: float
    ) -> messages.BatchRan:
        items = [
            item for item in release.items if self.most_items is None or item.item_class == "file"
        ]
        return messages.BatchRan(
            stage=self.name,
            size=len(release.items),
            audio_s=release.audio_s,
            padded_s=release.padded_s,
            busy_s=busy_s,
            reason=release.reason,
            classes=tuple(item.item_class for item in items),
            waits=tuple(max(0.0, start - item.enqueued_at) for item in items),
        )
