"""The sampler: asks Prometheus about all services at once, and keeps the answers of the last time.

Rules:
1. Who reads the load of a service asks for it too; while it keeps reading, it is told of each new
   sample. What nobody reads any more is not asked for.
2. Services with the same windows share queries. What is not known yet is asked for at once, and
   who becomes impatient does not wait for what was due before.
3. A failure makes the load unknown at once: what was known before is not acted on twice.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from asr_operator.api.names import Reason
from asr_operator.cluster import load_answers, load_history, load_sample, queries
from asr_operator.cluster.answers import PrometheusError
from asr_operator.cluster.load_rows import Answers
from asr_operator.cluster.prometheus import Prometheus
from asr_operator.cluster.work_queue import Key
from asr_operator.metrics import SamplerMetrics
from asr_operator.state.load import BatchPoint, LoadQuestion, LoadSample, NoLoad

logger = logging.getLogger(__name__)

SHORTEST_INTERVAL_S = 5.0
LONGEST_INTERVAL_S = 60.0
FORGET_AFTER_S = 300.0
HISTORY_ATTEMPTS = 3


class LoadSource(Protocol):
    """Where a reconcile reads the load of its service."""

    def read(self, key: Key, question: LoadQuestion) -> LoadSample | NoLoad:
        """Return what is known of a service now."""

    def read_history(self, key: Key) -> tuple[BatchPoint, ...] | None:
        """Return how batches ran before this operator started; None while that is asked for."""


class NoSource:
    """The load of an operator that has no Prometheus; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def read(self, key: Key, question: LoadQuestion) -> NoLoad:
        """Say that nothing is known."""
        return NoLoad(
            self._clock(),
            Reason.PROMETHEUS_NOT_CONFIGURED,
            "the operator knows no Prometheus; set its prometheus-url"
            " (ASR_OPERATOR_PROMETHEUS_URL), and have that Prometheus scrape the server pods",
        )

    def read_history(self, key: Key) -> tuple[BatchPoint, ...]:
        """Return that nothing is known of the past."""
        return ()


@dataclass(slots=True)
class _Interest:
    question: LoadQuestion
    windows: queries.Windows
    read_at: float
    told_at: float = 0.0


class Sampler:
    """What Prometheus knows of each service; `clock` gives Unix seconds.

    `on_sample` is told of each service that has something new to read.
    """

    def __init__(
        self,
        prometheus: Prometheus,
        templates: queries.Queries,
        measured: SamplerMetrics,
        clock: Callable[[], float],
        on_sample: Callable[[Key], None],
    ) -> None:
        self._prometheus = prometheus
        self._templates = templates
        self._metrics = measured
        self._clock = clock
        self._on_sample = on_sample
        self._interests: dict[Key, _Interest] = {}
        self._found: dict[queries.Windows, Answers | PrometheusError] = {}
        self._history: load_history.History | None = None
        self._history_attempts = 0
        self._is_wanted_now = False
        self._asked_otherwise = asyncio.Event()
        self._complaints: frozenset[Reason] = frozenset()
        self._succeeded_at = clock()
        measured.watch_age(lambda: clock() - self._succeeded_at)

    def read(self, key: Key, question: LoadQuestion) -> LoadSample | NoLoad:
        """Return what is known of a service now, and go on asking for it."""
        now = self._clock()
        windows = queries.choose_windows(question.window_s, question.peak_s)
        before = self._interests.get(key)
        self._interests[key] = _Interest(question, windows, now, before.told_at if before else 0.0)
        found = self._found.get(windows)
        self._is_wanted_now = self._is_wanted_now or found is None
        if found is None or before is None or before.question != question:
            self._asked_otherwise.set()
        if found is None:
            return NoLoad(now, Reason.NOT_SAMPLED_YET, "Prometheus is being asked; wait a moment")
        if isinstance(found, PrometheusError):
            return NoLoad(now, found.reason, found.message)
        return load_sample.build_load(key, question, found, now)

    def read_history(self, key: Key) -> tuple[BatchPoint, ...] | None:
        """Return how batches ran before this operator started; None while that is asked for."""
        return None if self._history is None else self._history.get(key, ())

    async def serve(self) -> None:
        """Sample as often as the most impatient service asks for, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            self._is_wanted_now = False
            await self.sample()
            with contextlib.suppress(TimeoutError):
                await self._wait_from(started_at)

    async def _wait_from(self, started_at: float) -> None:
        """Wait until something is wanted now. Raises TimeoutError when the next sample is due."""
        while not self._is_wanted_now:
            self._asked_otherwise.clear()
            async with asyncio.timeout_at(started_at + self._choose_interval_s()):
                await self._asked_otherwise.wait()

    async def sample(self) -> None:
        """Ask once for everything that services want to know, and tell them."""
        self._forget_the_silent()
        wanted = {interest.windows for interest in self._interests.values()}
        try:
            self._found = await load_answers.ask_everything(
                self._prometheus, self._templates, wanted, self._clock
            )
        except PrometheusError as error:
            self._found = dict.fromkeys(wanted, error)
            self._note([error])
        else:
            self._note([found for found in self._found.values() if isinstance(found, Exception)])
            if wanted and self._history is None:
                await self._load_history()
        self._tell()

    async def _load_history(self) -> None:
        self._history_attempts += 1
        try:
            self._history = await load_history.load_history(self._prometheus, self._templates)
        except PrometheusError as error:
            logger.warning("how batches ran before is not known: %s", error)
            if self._history_attempts == HISTORY_ATTEMPTS:
                self._history = {}

    def _note(self, failures: list[PrometheusError]) -> None:
        for error in failures:
            self._metrics.errors.labels(error.reason).inc()
            if error.reason not in self._complaints:
                logger.warning("the load of services is not known: %s", error)
        if not failures:
            self._succeeded_at = self._clock()
            if self._complaints:
                logger.info("Prometheus answers again")
        self._complaints = frozenset(error.reason for error in failures)

    def _tell(self) -> None:
        now = self._clock()
        for key, interest in self._interests.items():
            if now - interest.told_at >= interest.question.interval_s - SHORTEST_INTERVAL_S / 2:
                interest.told_at = now
                self._on_sample(key)

    def _forget_the_silent(self) -> None:
        now = self._clock()
        self._interests = {
            key: interest
            for key, interest in self._interests.items()
            if now - interest.read_at < FORGET_AFTER_S
        }

    def _choose_interval_s(self) -> float:
        intervals_s = [interest.question.interval_s for interest in self._interests.values()]
        shortest_s = min(intervals_s, default=LONGEST_INTERVAL_S)
        return min(max(shortest_s, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)
