"""One trial: so many sessions at a time, and how it went."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr_server.bench.arrivals import SessionPlan
from asr_server.bench.ledger import Account, Ledger, quantile
from asr_server.bench.live import LiveSession
from asr_server.bench.session import Session, Surroundings
from asr_server.bench.speech import RATE_HZ
from asr_server.client.arguments import ServerAddress

REPORT_S = 1.0
LATE_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How a trial stands."""

    at_s: float
    sessions: int
    sent: int
    answered: int
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What was said, as it came out."""

    utterances: int
    audio_s: float
    median_s: float
    longest_s: float
    silence_ratio: float


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial went. Latencies are seconds from when the end of an utterance was due."""

    sessions: int
    took_s: float
    account: Account
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    worst_s: float | None
    generator_cores: float
    late_ratio: float
    """Messages that were sent more than 0.1 s later than due: the load's own fault, or the
    machine's."""
    profile: Profile


class _Crowd:
    """Sessions under way."""

    def __init__(self, server: ServerAddress, mode: str, frame_s: float) -> None:
        self.ledger = Ledger()
        self.open = self.sent = self.late = 0
        self._began = time.monotonic()
        frame_bytes = 2 * round(frame_s * RATE_HZ)
        self.around = Surroundings(
            server, self.ledger, self.clock, self._take_late, mode, frame_bytes, server.answer_s
        )

    def clock(self) -> float:
        return time.monotonic() - self._began

    async def run(self, plans: Sequence[SessionPlan]) -> None:
        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(plans):
                await asyncio.sleep(plan.start_s - self.clock())
                group.create_task(self._run_session(number, plan))

    async def report(self, show: Callable[[Progress], None]) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            known = [e.latency_s for e in self.ledger.entries.values() if e.answers]
            said = sum(each.due_s < self.clock() for each in self.ledger.entries.values())
            show(Progress(self.clock(), self.open, said, len(known), quantile(known, 0.95)))

    async def _run_session(self, number: int, plan: SessionPlan) -> None:
        self.open += 1
        live = self.around.mode == "2pass"
        session = LiveSession(number, plan, self.around) if live else Session(plan, self.around)
        await session.run()
        self.open -= 1

    def _take_late(self, late_s: float) -> None:
        self.sent += 1
        self.late += late_s > LATE_S


async def run_trial(
    server: ServerAddress,
    mode: str,
    plans: Sequence[SessionPlan],
    show: Callable[[Progress], None],
    frame_s: float,
) -> Trial:
    """Let all sessions come at their times, and wait until they have gone."""
    before = _cpu_s()
    crowd = _Crowd(server, mode, frame_s)
    reporter = asyncio.create_task(crowd.report(show))
    try:
        await crowd.run(plans)
    finally:
        reporter.cancel()
    took_s = crowd.clock()
    latencies_s = crowd.ledger.latencies_s(0.0, float("inf"))
    p50_s, p95_s, p99_s, worst_s = (quantile(latencies_s, q) for q in (0.5, 0.95, 0.99, 1.0))
    return Trial(
        sessions=len(plans),
        took_s=took_s,
        account=crowd.ledger.settle(),
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        worst_s=worst_s,
        generator_cores=(_cpu_s() - before) / took_s,
        late_ratio=crowd.late / max(1, crowd.sent),
        profile=describe_profile(plans),
    )


def describe_profile(plans: Sequence[SessionPlan]) -> Profile:
    """Return what the sessions say."""
    turns = [turn for plan in plans for turn in plan.turns]
    lengths_s = [turn.utterance.duration_s for turn in turns]
    whole_s = sum(plan.duration_s for plan in plans)
    return Profile(
        utterances=len(turns),
        audio_s=whole_s,
        median_s=quantile(lengths_s, 0.5) or 0.0,
        longest_s=max(lengths_s, default=0.0),
        silence_ratio=1 - sum(lengths_s) / whole_s if whole_s else 0.0,
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
