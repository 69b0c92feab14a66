"""How many threads the engine may keep busy: what the cgroup allows, less one for the front."""

import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def count_threads(root: Path = CGROUP_ROOT) -> int:
    """Return the whole CPUs that this pod may use, less one, but at least 1.

    A parallel operation is as late as its latest thread: with a thread on the CPU that the front
    needs, or beyond the quota, all the others wait. (Two threads on two CPUs did 780 audio seconds
    per second with the demo models, one did 980.)
    """
    available = len(os.sched_getaffinity(0))
    quota = _quota_v2(root / "cpu.max") or _quota_v1(root / "cpu")
    usable = available if quota is None else min(available, int(quota))
    return max(1, usable - 1)


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
