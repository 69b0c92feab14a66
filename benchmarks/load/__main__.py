"""Send a load to a server and account for every utterance, as lines of JSON.

    python -m benchmarks.load ws://HOST:PORT --steps 30x10,60x10-100,60x100

A line a second tells how it goes; the last one is the account, with the latencies of each step. The
status is 1 when an utterance was lost, doubled, mixed up or refused, or a stream was cut.
"""

import argparse
import asyncio
import dataclasses
import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

from asr_server.bench import arrivals, corpus, ledger, session, speech
from asr_server.client.arguments import ServerAddress

REPORT_S = 1.0
RECENT_S = 5.0
SETTLED_S = 20.0
LATE_S = 0.1


class Load:
    """A load under way."""

    def __init__(self, url: str, steps: Sequence[arrivals.Step], seed: int) -> None:
        speaker = speech.Speaker(corpus.load_phrases(), seed)
        self._steps = steps
        self._plans = arrivals.plan_sessions(steps, speaker, seed)
        self._ledger = ledger.Ledger()
        self._sessions = 0
        self._sent = self._late = 0
        self._latest_s = 0.0
        self._began = time.monotonic()
        self._around = session.Surroundings(
            ServerAddress(url), self._ledger, self._clock, self._take_late
        )

    async def run(self) -> bool:
        """Let every session come at its time until all have gone; return whether all is well."""
        self._began = time.monotonic()
        reporter = asyncio.create_task(self._report())
        async with asyncio.TaskGroup() as group:
            for plan in self._plans:
                await asyncio.sleep(plan.start_s - self._clock())
                group.create_task(self._run_session(plan))
        reporter.cancel()
        account = self._ledger.settle()
        steps = describe_steps(self._steps, self._ledger)
        tell("account", dataclasses.asdict(account) | {"steps": steps, "generator": self._cost()})
        return account.is_whole

    async def _run_session(self, plan: arrivals.SessionPlan) -> None:
        self._sessions += 1
        await session.Session(plan, self._around).run()
        self._sessions -= 1

    def _clock(self) -> float:
        return time.monotonic() - self._began

    def _take_late(self, late_s: float) -> None:
        self._sent += 1
        self._late += late_s > LATE_S
        self._latest_s = max(self._latest_s, late_s)

    async def _report(self) -> None:
        due_s = 0.0
        while True:
            due_s += REPORT_S
            await asyncio.sleep(due_s - self._clock())
            tell("progress", self._progress())

    def _progress(self) -> dict[str, Any]:
        now_s = self._clock()
        answered = [e for e in self._ledger.entries.values() if e.answered_s is not None]
        recent_s = [e.latency_s for e in answered if (e.answered_s or 0.0) > now_s - RECENT_S]
        return {
            "at_s": round(now_s, 1),
            "sessions": self._sessions,
            "sent": len(self._ledger.entries),
            "answered": len(answered),
            "p95_ms": milliseconds(ledger.quantile(recent_s, 0.95)),
            "turned_away": self._ledger.events["turned_away"],
            "moved": self._ledger.events["moved"],
        }

    def _cost(self) -> dict[str, Any]:
        """Say what the load itself took, and whether it kept its own times."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_cores": round((used.ru_utime + used.ru_stime) / self._clock(), 3),
            "messages": self._sent,
            "late_messages": self._late,
            "latest_ms": milliseconds(self._latest_s),
        }


def describe_steps(
    steps: Sequence[arrivals.Step], book: ledger.Ledger
) -> list[dict[str, float | None]]:
    """Return the latencies of each step, and of its end alone, when all had time to settle."""
    described: list[dict[str, float | None]] = []
    begin_s = 0.0
    for step in steps:
        end_s = begin_s + step.duration_s
        whole = book.latencies_s(begin_s, end_s)
        settled = book.latencies_s(max(begin_s, end_s - SETTLED_S), end_s)
        described.append(
            {
                "begin_s": begin_s,
                "end_s": end_s,
                "sessions": step.sessions,
                "finals": len(whole),
                "p50_ms": milliseconds(ledger.quantile(whole, 0.5)),
                "p95_ms": milliseconds(ledger.quantile(whole, 0.95)),
                "settled_p95_ms": milliseconds(ledger.quantile(settled, 0.95)),
            }
        )
        begin_s = end_s
    return described


def milliseconds(seconds: float | None) -> float | None:
    """Return whole milliseconds; what lasts for ever is told as -1, which JSON can say."""
    if seconds is None:
        return None
    return round(seconds * 1000) if seconds < float("inf") else -1


def tell(kind: str, fields: dict[str, Any]) -> None:
    """Print a line of JSON at once."""
    print(json.dumps({"kind": kind} | fields), flush=True)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("url", help="ws://HOST:PORT")
    parser.add_argument("--steps", type=arrivals.parse_steps, default="30x10")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = Load(given.url, given.steps, given.seed)
    try:
        whole = asyncio.run(load.run())
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
