"""How many threads the engine may keep busy: what the cgroup allows, less one for the front."""

import os
from pathlib import Path

from asr_server.link import cgroup

FEW_CPUS = 2


def count_threads(root: Path = cgroup.ROOT) -> int:
    """Return the whole CPUs that this pod may use, less one where there are more than two.

    A parallel operation is as late as its latest thread: with a thread on the CPU that the front
    needs, or beyond the quota, all the others wait. Of two CPUs the engine has both, for two
    batches at a time that do not wait for each other: the front needs a part of one.
    """
    available = len(os.sched_getaffinity(0))
    quota = cgroup.read_cpu_limit(root)
    usable = available if quota is None else min(available, int(quota))
    return max(1, usable if usable <= FEW_CPUS else usable - 1)
