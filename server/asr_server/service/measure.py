"""Turns what happens into metrics: the engine's reports, lag, CPUs, saturation."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from asr_server.link import cgroup
from asr_server.link.messages import BatchRan, Overload
from asr_server.metrics import EngineMetrics, ServerMetrics
from asr_server.service.engine_link import Report

LAG_PERIOD_S = 0.25
CPU_PERIOD_S = 0.5
DUTY_WINDOW_S = 10.0


class DutyWindow:
    """The share of the last seconds that the engine spent in batches. `now` is an argument."""

    def __init__(self, window_s: float = DUTY_WINDOW_S) -> None:
        self._window_s = window_s
        self._busy: deque[tuple[float, float]] = deque()

    def add(self, busy_s: float, now: float) -> None:
        """A batch that took `busy_s` ended now."""
        self._busy.append((now, busy_s))
        self._forget(now)

    def ratio(self, now: float) -> float:
        """Return the share, from 0 to 1."""
        self._forget(now)
        start = now - self._window_s
        busy_s = sum(min(busy_s, ended_at - start) for ended_at, busy_s in self._busy)
        return min(1.0, busy_s / self._window_s)

    def _forget(self, now: float) -> None:
        while self._busy and self._busy[0][0] <= now - self._window_s:
            self._busy.popleft()


class EngineReports:
    """Counts what the engine reports, and knows how busy it is."""

    def __init__(self, metrics: EngineMetrics) -> None:
        self._metrics = metrics
        self._duty = DutyWindow()

    def duty(self) -> float:
        """Return the share of the last seconds that the engine spent in batches."""
        return self._duty.ratio(time.monotonic())

    def observe(self, report: Report) -> None:
        """Count a report."""
        if isinstance(report, BatchRan):
            self._duty.add(report.busy_s, time.monotonic())
            self._observe_batch(report)
        elif isinstance(report, Overload):
            self._metrics.shedding_step.set(report.step)
            self._metrics.shed.labels("partial").inc(report.partials)
            self._metrics.shed.labels("file").inc(report.files)
        else:
            self._metrics.out_of_memory.inc()

    def _observe_batch(self, ran: BatchRan) -> None:
        metrics, stage = self._metrics, ran.stage
        metrics.busy_s.inc(ran.busy_s)
        metrics.batch_size.labels(stage).observe(ran.size)
        metrics.batch_audio_s.labels(stage).observe(ran.padded_s)
        metrics.batch_s.labels(stage).observe(ran.busy_s)
        metrics.batch_release.labels(stage, ran.reason).inc()
        if ran.padded_s > 0:
            metrics.batch_fill.labels(stage).observe(ran.audio_s / ran.padded_s)
        for item_class, wait_s in zip(ran.classes, ran.waits, strict=True):
            metrics.queue_wait_s.labels(item_class).observe(wait_s)
            metrics.stage_s.labels(stage).observe(wait_s + ran.took_s)


async def watch_loop_lag(metrics: ServerMetrics, look: Callable[[float, float], None]) -> None:
    """Observe for ever how much later than asked for the event loop wakes a task.

    `look` is told the seconds, and the time.
    """
    while True:
        asked_at = time.monotonic()
        await asyncio.sleep(LAG_PERIOD_S)
        now = time.monotonic()
        lag_s = max(0.0, now - asked_at - LAG_PERIOD_S)
        metrics.loop_lag_s.observe(lag_s)
        look(lag_s, now)


async def watch_cpu(metrics: ServerMetrics, root: Path = cgroup.ROOT) -> None:
    """Count for ever what is used of the CPU limit; without a limit nothing is counted."""
    used_s = cgroup.read_cpu_used_s(root)
    while True:
        await asyncio.sleep(CPU_PERIOD_S)
        before_s, used_s = used_s, cgroup.read_cpu_used_s(root)
        limit = cgroup.read_cpu_limit(root)
        if limit and before_s is not None and used_s is not None:
            metrics.cpu_limited_s.inc(max(0.0, used_s - before_s) / limit)
