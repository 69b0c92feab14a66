"""A real lack of memory in the engine while people speak: by RLIMIT_DATA allocations fail.

That is what a GPU's memory does. A container's memory limit on a CPU is another thing: it kills,
and that is the part `recovery`, or the end of the pod.
"""

import resource
import time
from pathlib import Path

from benchmarks.server.crowd import crowd
from benchmarks.server.figures import Figure
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

SESSIONS, DURATION_S = 20, 20
TALKS, TALK_S = 40, 8.0
SHORT_S, SPARE_BYTES = 10.0, 44 << 20


def measure() -> list[Figure]:
    """Begin with hardly more memory than the models need; let there be enough after a while.

    A file that finds no room although it is alone is answered with an error: it is not lost.
    """
    talks = make_talks(TALKS, TALK_S)
    with Server("--max-sessions=1000", "--shed-late-ms=0") as server:
        engine = server.engine_pid
        _limit(engine, _allocated_bytes(engine) + SPARE_BYTES)
        with crowd(server.url, talks, sessions=SESSIONS, duration_s=DURATION_S) as under_way:
            time.sleep(SHORT_S)
            failed = server.metric("asr_oom_total")
            if engine == server.engine_pid:
                _limit(engine, resource.RLIM_INFINITY)
            account = under_way.finish()
        restarts = server.metric("asr_engine_restarts_total")
    detail = (
        f"the engine may allocate {SPARE_BYTES >> 20} MiB more than with its models loaded, for "
        f"{SHORT_S:.0f} s; {restarts:g} restarts"
    )
    said = f"{account.said}; worst final {account.worst}"
    return [
        Figure("memory_failures", failed, "", detail),
        Figure("memory_finals_harmed", account.lost_or_doubled, "", said, {"trial": account.trial}),
    ]


def _allocated_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmData:")[1].split()[0]) * 1024


def _limit(pid: int, most_bytes: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_DATA, (most_bytes, resource.RLIM_INFINITY))
