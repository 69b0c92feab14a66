"""kill -9 of the engine while people speak: how long until it is back, and what was lost."""

import os
import signal
import statistics
import time

from benchmarks.server.benching import bench, count_harm
from benchmarks.server.figures import Figure
from benchmarks.serving import Server

SESSIONS, KILLS, SETTLE_S = 20, 3, 6.0


def measure() -> list[Figure]:
    """Return the median time from the kill to ready, and what happened to finals."""
    with Server("--max-sessions=1000") as server:
        flags = (f"--sessions={SESSIONS}", "--duration=40", "--max-cer=1", "--timeout=180")
        with bench(server.url, *flags) as load:
            took_s: list[float] = []
            while len(took_s) < KILLS and not load.is_over:
                took_s.append(_kill(server))
            trial = load.finish()["trials"][0]
    worst = "never" if trial["worst_s"] is None else f"{trial['worst_s']:.1f} s"
    told = ", ".join(f"{each:.1f}" for each in took_s)
    detail = f"{told} s; {SESSIONS} live sessions went on, worst final {worst}"
    account = trial["account"]
    said = f"{account['sent']} utterances over {len(took_s)} kills, CER {account['cer']:.1%}"
    return [
        Figure("recovery_s", statistics.median(took_s), "s", detail, {"took_s": took_s}),
        Figure("recovery_finals_harmed", count_harm(trial), "", said, {"trial": trial}),
    ]


def _kill(server: Server) -> float:
    time.sleep(SETTLE_S)  # so that there is work to lose
    killed = server.engine_pid
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    while server.is_ready and time.monotonic() - began < 5:
        time.sleep(0.005)
    server.wait_ready()
    return time.monotonic() - began
