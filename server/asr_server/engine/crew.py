"""Who computes batches: the loop's own thread, or several threads, so that stages overlap.

torch lets go of the interpreter while it computes: two threads that run different stages keep two
CPUs busy, where two threads inside one small operation would wait for each other. A GPU computes
one batch while the host prepares the other.

A batch is charged with the time that it has had the engine; batches that ran at the same time share
it. So what batches are charged with adds up to the time in which the engine was busy.
"""

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from asr_server.engine import protocols, stages
from asr_server.engine import watchdog as watchdogs

START_S = 10.0  # within which threads run

AnyBatch = stages.Batch[Any, Any]


class Crew:
    """Computes up to `workers` batches at a time; with one, `begin` returns when it is computed.

    `wake` is called from another thread when a batch has ended. What the batch raised is raised by
    `take_finished`, or by `begin`.
    """

    def __init__(
        self,
        device: protocols.Device,
        clock: Callable[[], float],
        *,
        workers: int = 1,
        wake: Callable[[], object] = lambda: None,
        watchdog: watchdogs.Watchdog | None = None,
    ) -> None:
        self._device = device
        self._clock = clock
        self._workers = workers
        self._wake = wake
        self._watchdog = watchdog or watchdogs.Watchdog(clock)
        self._pool = _start_pool(workers) if workers > 1 else None
        self._running: dict[AnyBatch, futures.Future[None] | None] = {}
        self._charged_until = clock()

    @property
    def has_room(self) -> bool:
        """Whether another batch can begin now."""
        return len(self._running) < self._workers

    @property
    def is_idle(self) -> bool:
        """Whether no batch is under way."""
        return not self._running

    def begin(self, batch: AnyBatch) -> None:
        """Compute a batch."""
        self._charge()
        self._running[batch] = None
        if self._pool is None:
            self._compute(batch)
            return
        future = self._pool.submit(self._compute, batch)
        self._running[batch] = future
        future.add_done_callback(lambda _: self._wake())

    def take_finished(self) -> list[AnyBatch]:
        """Return the batches that have ended, in the order in which they began."""
        ended = [batch for batch, future in self._running.items() if not future or future.done()]
        if ended:
            self._charge()
        for batch in ended:
            future = self._running.pop(batch)
            if future:
                future.result()
        return ended

    def _compute(self, batch: AnyBatch) -> None:
        about = f"a batch of {len(batch.tasks)} for {batch.stage.name}"
        with self._watchdog.watch(about, batch.release.padded_s):
            batch.run(self._device, self._clock)

    def _charge(self) -> None:
        now = self._clock()
        for batch in self._running:
            batch.charged_s += (now - self._charged_until) / len(self._running)
        self._charged_until = now


def _start_pool(workers: int) -> futures.ThreadPoolExecutor:
    """Return a pool whose threads run: who starts one without memory for it waits for ever.

    Raises RuntimeError (BrokenBarrierError is one) where they do not; none is left waiting then.
    """
    pool = futures.ThreadPoolExecutor(workers, "batch")
    running = threading.Barrier(workers, timeout=START_S)
    try:
        for waiting in [pool.submit(running.wait) for _ in range(workers)]:
            waiting.result()
    except RuntimeError:
        running.abort()
        pool.shutdown(wait=False)
        raise
    return pool
