"""How many threads the engine may keep busy: the CPUs of the process, less what a cgroup allows."""

import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def count_threads(root: Path = CGROUP_ROOT) -> int:
    """Return the whole CPUs that this process may use, at least 1.

    A quota of 1.5 CPUs is one thread: two would be throttled in the middle of a batch.
    """
    available = len(os.sched_getaffinity(0))
    quota = _quota_v2(root / "cpu.max") or _quota_v1(root / "cpu")
    return max(1, available if quota is None else min(available, int(quota)))


def _quota_v2(path: Path) -> float | None:
    words = _words(path)
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) < 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
