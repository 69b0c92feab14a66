"""What a live session costs the front process, beyond what its socket costs.

The server and one that only receives are under the same load at the same time, each with clients
of its own, a few times over: what a wake-up costs changes from minute to minute.
"""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asr_server.bench.live import TAIL_S
from benchmarks.server.benching import bench, cpu_s
from benchmarks.server.figures import Figure
from benchmarks.server.peers import free_port
from benchmarks.serving import Server

SESSIONS, TRIAL_S, MESSAGES_PER_S, ROUNDS = 40, 15, 10, 5
NOTHING_SHED = "--shed-late-ms=0"  # where others use the cores, all the work is done all the same
FLAGS = (f"--sessions={SESSIONS}", f"--duration={TRIAL_S}", "--frame-ms=100", "--max-cer=1")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A process that takes live sessions."""

    url: str
    pid: int


def measure() -> list[Figure]:
    """Compare the front with a server that only receives, under the same sessions."""
    with Server("--max-sessions=1000", NOTHING_SHED) as server, sink() as bare:
        ours = Receiver(server.url, server.pid)
        rounds = [compare(ours, bare) for _ in range(ROUNDS)]
    fronts, sockets = ([100 * cores for cores in each] for each in zip(*rounds, strict=True))
    beyond = [front - socket for front, socket in zip(fronts, sockets, strict=True)]
    detail = (
        f"{SESSIONS} 2pass sessions, 10 messages/s each, on both at once: front "
        f"{statistics.median(fronts):.3f} % of a core per session, a socket alone "
        f"{statistics.median(sockets):.3f} %; median of {ROUNDS} times {TRIAL_S} s, "
        f"{min(beyond):.3f} to {max(beyond):.3f} %"
    )
    raw = {"front_percent": fronts, "socket_percent": sockets, "sessions": SESSIONS}
    return [Figure("front_cpu_percent", statistics.median(beyond), "%", detail, raw)]


@contextlib.contextmanager
def sink() -> Iterator[Receiver]:
    """Run a server that only receives beside the block."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.server.sink", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the server that only receives did not start")
        yield Receiver(f"ws://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.communicate()


def compare(*receivers: Receiver) -> list[float]:
    """Return the cores that each uses for a session, all of them under load at the same time.

    From the CPU time of a message: on a busy machine a load that is late would look cheap.
    """
    before_s = [cpu_s(each.pid) for each in receivers]
    with contextlib.ExitStack() as loads:
        running = [loads.enter_context(bench(each.url, *FLAGS)) for each in receivers]
        trials = [load.finish()["trials"][0] for load in running]
    return [
        MESSAGES_PER_S * (cpu_s(each.pid) - before) / _count_messages(trial)
        for each, before, trial in zip(receivers, before_s, trials, strict=True)
    ]


def _count_messages(trial: dict[str, Any]) -> float:
    if trial["account"]["cut"] or trial["account"]["turned_away"]:
        raise RuntimeError("sessions were cut or refused")
    messages: float = (trial["profile"]["audio_s"] + SESSIONS * TAIL_S) * MESSAGES_PER_S
    return messages
