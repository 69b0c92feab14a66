"""What a live session costs the front process, beyond what its socket costs."""

import subprocess
import sys

from asr_server.bench.live import TAIL_S
from benchmarks.server.benching import cpu_s, run_bench
from benchmarks.server.figures import Figure
from benchmarks.server.peers import free_port
from benchmarks.serving import Server

SESSIONS, TRIAL_S, MESSAGES_PER_S = 40, 15, 10
FLAGS = (f"--sessions={SESSIONS}", f"--duration={TRIAL_S}", "--frame-ms=100", "--max-cer=1")


def measure() -> list[Figure]:
    """Compare the front with a server that only receives, under the same sessions."""
    with Server("--max-sessions=1000") as server:
        ours = _watch(server.url, server.pid)
    port = free_port()
    sink = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server.sink", str(port)], stdout=subprocess.PIPE
    )
    try:
        if sink.stdout is None or not sink.stdout.readline():
            raise RuntimeError("the server that only receives did not start")
        bare = _watch(f"ws://127.0.0.1:{port}", sink.pid)
    finally:
        sink.kill()
        sink.communicate()
    detail = (
        f"{SESSIONS} 2pass sessions, 10 messages/s each: front {100 * ours:.3f} % of a core per "
        f"session, a socket alone {100 * bare:.3f} %"
    )
    raw = {"front": ours, "socket": bare, "sessions": SESSIONS}
    return [Figure("front_cpu_percent", 100 * (ours - bare), "%", detail, raw)]


def _watch(url: str, pid: int) -> float:
    """Return the cores that a process uses for a session that sends ten messages a second.

    From the CPU time of a message: on a busy machine a load that is late would look cheap.
    """
    before_s = cpu_s(pid)
    trial = run_bench(url, *FLAGS)["trials"][0]
    if trial["account"]["cut"] or trial["account"]["turned_away"]:
        raise RuntimeError("sessions were cut or refused")
    messages: float = (trial["profile"]["audio_s"] + SESSIONS * TAIL_S) * MESSAGES_PER_S
    return MESSAGES_PER_S * (cpu_s(pid) - before_s) / messages
