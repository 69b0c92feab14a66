"""An hour-long file beside people who speak, and beside short files: who waits for whom?"""

import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

from benchmarks.server.benching import run_bench
from benchmarks.server.figures import Figure
from benchmarks.server.sending import Sent, send_talks
from benchmarks.server.talks import Talk, find_cer, make_talks
from benchmarks.serving import Server

SESSIONS, TRIAL_S = 40, 15
HOUR_S, SHORT_S, SHORT = 3600.0, 10.0, 20
HEAD_START_S = 1.0
FLAGS = (f"--sessions={SESSIONS}", f"--duration={TRIAL_S}", "--max-cer=1")


def measure() -> list[Figure]:
    """Measure live finals with and without the hour, then short files with and without it."""
    (hour,) = make_talks(1, HOUR_S)
    short = make_talks(SHORT, SHORT_S, seed=2)
    with Server("--max-sessions=1000") as server:
        run_bench(server.url, "--sessions=8", "--duration=5")  # speeds are learned
        alone = run_bench(server.url, *FLAGS)["trials"][0]
        with _sending(server.url, hour, until_s=TRIAL_S) as hours:
            beside = run_bench(server.url, *FLAGS)["trials"][0]
        quick = send_talks(server.url, short, SHORT)
        with _sending(server.url, hour, until_s=0) as last:
            slow = send_talks(server.url, short, SHORT)
    return [
        _compare(alone, beside, hours.result()),
        _show_files(quick, slow, last.result()),
        _show_hour(hour, hours.result(), last.result()),
    ]


@contextmanager
def _sending(url: str, hour: Talk, *, until_s: float) -> "Iterator[futures.Future[list[Sent]]]":
    """Send the hour beside the block, and again until so many seconds are over."""
    with futures.ThreadPoolExecutor(1, "hour") as pool:
        ends = time.monotonic() + until_s
        found = pool.submit(_send_until, ends, url, hour)
        time.sleep(HEAD_START_S)
        yield found


def _send_until(ends: float, url: str, hour: Talk) -> list[Sent]:
    sent = [send_talks(url, [hour], 1)]
    while time.monotonic() < ends:
        sent.append(send_talks(url, [hour], 1))
    return sent


def _compare(alone: dict[str, Any], beside: dict[str, Any], hours: list[Sent]) -> Figure:
    with_s, without_s = beside["p95_s"], alone["p95_s"]
    if with_s is None or without_s is None:
        raise RuntimeError("live finals were lost")
    detail = (
        f"{SESSIONS} sessions: p95 {1000 * with_s:.0f} ms while {len(hours)} files of an "
        f"hour came one after the other, {1000 * without_s:.0f} ms without"
    )
    raw = {"alone": alone, "beside": beside}
    return Figure("fair_p95_ratio", with_s / without_s, "x", detail, raw)


def _show_files(quick: Sent, slow: Sent, hour: list[Sent]) -> Figure:
    detail = (
        f"{SHORT} files of {SHORT_S:.0f} s at once, {HEAD_START_S:.0f} s after the hour: "
        f"{quick.took_s:.1f} s without it; the hour was answered after {hour[0].took_s:.1f} s"
    )
    return Figure("fair_short_files_s", slow.took_s, "s", detail)


def _show_hour(hour: Talk, beside: list[Sent], last: list[Sent]) -> Figure:
    worst_cer = max(find_cer([hour], sent.heard) for sent in beside + last)
    took = ", ".join(f"{sent.took_s:.1f}" for sent in beside)
    detail = f"beside {SESSIONS} live sessions: {took} s; CER {worst_cer:.1%}"
    return Figure("fair_hour_s", max(sent.took_s for sent in beside), "s", detail)
