"""A stage of the engine: what waits for one model, how its batches are chosen, run and reported."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

import msgspec

from asr_server.engine import protocols, recovery
from asr_server.engine.protocols import Input, Output
from asr_server.link import messages
from asr_server.scheduling import batch_rule, work, work_queue
from asr_server.scheduling import service_time as service_times

Send = Callable[[messages.ToFront], None]


class Task(msgspec.Struct, Generic[Input, Output], frozen=True):
    """A piece of work for a model, and what becomes of the answer.

    `gather` gives what the model needs at the moment its batch runs. Then either `take` has the
    model's output and the time, or `fail` the reason why there is none; neither after a discard.
    """

    item: work.WorkItem
    gather: Callable[[], Input]
    take: Callable[[Output, float], None]
    fail: Callable[[str], None]


@dataclass(eq=False, slots=True)
class Batch(Generic[Input, Output]):
    """Tasks that are computed together; `run` may be called in another thread, all else may not.

    `charged_s` is the time that it has had the engine.
    """

    stage: "Stage[Input, Output]"
    release: batch_rule.Release
    tasks: Sequence[Task[Input, Output]]
    inputs: Sequence[Input]
    started_at: float = 0.0
    took_s: float = 0.0
    charged_s: float = 0.0
    outcomes: Sequence[Output | recovery.Poison] = ()
    too_large: list[int] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)

    def run(self, device: protocols.Device, clock: Callable[[], float]) -> None:
        """Compute it."""
        self.started_at = clock()
        compute, too_large = self.stage.compute, self.too_large.append
        self.outcomes = recovery.run_batch(compute, self.inputs, device, too_large)
        self.took_s = clock() - self.started_at


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
    _running: list[Batch[Input, Output]] = field(default_factory=list)

    def add(self, task: Task[Input, Output]) -> None:
        """Let a task wait; it replaces one that waits with the same id and index."""
        self.queue.add(task.item)
        self._tasks.setdefault(task.item.item_id, {})[task.item.index] = task

    def discard(self, item_id: int) -> None:
        """Drop all tasks of this id, those of batches that run included."""
        self.queue.discard(item_id)
        self._tasks.pop(item_id, None)
        for batch in self._running:
            batch.dropped.add(item_id)

    def may_begin(self, batch_size: int) -> bool:
        """Say whether something waits, and makes a batch worth running beside one that runs.

        What is spoken now does not wait for recordings.
        """
        gathers = self._running and not self._overtakes_files
        return self.queue.candidates >= ((self.most_items or batch_size) if gathers else 1)

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

    def begin(self, release: batch_rule.Release) -> Batch[Input, Output]:
        """Return the batch that `decide_batch` released, ready to be computed and finished."""
        self.queue.remove(release.items)
        tasks = [self._take_task(item) for item in release.items]
        batch = Batch(self, release, tasks, [task.gather() for task in tasks])
        self._running.append(batch)
        return batch

    def finish(self, batch: Batch[Input, Output], clock: Callable[[], float], send: Send) -> None:
        """Learn from a batch that was computed, report it, and tell its tasks."""
        reports: list[messages.ToFront] = []
        padded_s = batch.release.padded_s
        for size in batch.too_large:
            limit_s = padded_s * size / len(batch.inputs) / 2
            self.memory_limit_s = min(self.memory_limit_s, limit_s)
            reports.append(messages.OutOfMemory(self.name, self.memory_limit_s))
        if not reports and not any(isinstance(each, recovery.Poison) for each in batch.outcomes):
            self.service_time = self.service_time.after(padded_s, batch.took_s)
        for report in [self._describe(batch), *reports]:
            send(report)
        dropped = batch.dropped
        for task, outcome in zip(batch.tasks, batch.outcomes, strict=True):
            if dropped and task.item.item_id in dropped:
                continue
            if isinstance(outcome, recovery.Poison):
                task.fail(outcome.reason)
            else:
                task.take(outcome, clock())
        self._running.remove(batch)

    @property
    def _overtakes_files(self) -> bool:
        head = self.queue.head
        if head is None or head.item_class != "final":
            return False
        under_way = (task.item for batch in self._running for task in batch.tasks)
        return all(item.item_class == "file" for item in under_way)

    def _take_task(self, item: work.WorkItem) -> Task[Input, Output]:
        siblings = self._tasks[item.item_id]
        task = siblings.pop(item.index)
        if not siblings:
            del self._tasks[item.item_id]
        return task

    def _describe(self, batch: Batch[Input, Output]) -> messages.BatchRan:
        release = batch.release
        items = [
            item for item in release.items if self.most_items is None or item.item_class == "file"
        ]
        return messages.BatchRan(
            stage=self.name,
            size=len(release.items),
            audio_s=release.audio_s,
            padded_s=release.padded_s,
            busy_s=batch.charged_s,
            took_s=batch.took_s,
            reason=release.reason,
            classes=tuple(item.item_class for item in items),
            waits=tuple(max(0.0, batch.started_at - item.enqueued_at) for item in items),
        )
