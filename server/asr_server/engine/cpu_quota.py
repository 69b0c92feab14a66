"""How many threads the engine may keep busy: what the cgroup allows, less one for the front."""

import os
from pathlib import Path

from asr_server.link import cgroup


def count_threads(root: Path = cgroup.ROOT) -> int:
    """Return the whole CPUs that this pod may use, less one, but at least 1.

    A parallel operation is as late as its latest thread: with a thread on the CPU that the front
    needs, or beyond the quota, all the others wait. (Two threads on two CPUs did 780 audio seconds
    per second with the demo models, one did 980.)
    """
    available = len(os.sched_getaffinity(0))
    quota = cgroup.read_cpu_limit(root)
    usable = available if quota is None else min(available, int(quota))
    return max(1, usable - 1)
