"""An engine that stops in the middle of its work: how long until the next one is ready."""

import os
import signal
import time

from benchmarks.server.crowd import crowd
from benchmarks.server.figures import Figure
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

SESSIONS, DURATION_S, SETTLE_S = 20, 30, 5.0
TALKS, TALK_S = 5, 30.0


def measure() -> list[Figure]:
    """Stop the engine's process as a debugger would, and return when the next one is ready."""
    with Server("--max-sessions=1000", "--shed-late-ms=0") as server:
        talks = make_talks(TALKS, TALK_S)
        with crowd(server.url, talks, sessions=SESSIONS, duration_s=DURATION_S) as under_way:
            time.sleep(SETTLE_S)
            stopped = server.engine_pid
            os.kill(stopped, signal.SIGSTOP)
            began = time.monotonic()
            server.wait_for_another_engine(stopped)
            took_s = time.monotonic() - began
            account = under_way.finish()
    detail = (
        f"SIGSTOP of the engine under {SESSIONS} live sessions and {TALKS} files of "
        f"{TALK_S:.0f} s at a time, worst final {account.worst}"
    )
    return [
        Figure("hang_recovery_s", took_s, "s", detail, {"trial": account.trial}),
        Figure("hang_finals_harmed", account.harmed, "", account.said),
    ]
