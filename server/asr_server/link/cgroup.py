"""What the cgroup of this container says of CPUs: how many it may use, how much it has used.

Both versions of cgroups, as they are mounted in a container. Nothing is known outside of one.
"""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_MICROSECONDS, _NANOSECONDS = 1e6, 1e9


def read_cpu_limit(root: Path = ROOT) -> float | None:
    """Return how many CPUs may be used at a time, None without a limit."""
    return _limit_v2(root / "cpu.max") or _limit_v1(root / "cpu")


def read_cpu_used_s(root: Path = ROOT) -> float | None:
    """Return the CPU seconds that all processes of the container have used, None if unknown."""
    words = _words(root / "cpu.stat")
    if "usage_usec" in words:
        return int(words[words.index("usage_usec") + 1]) / _MICROSECONDS
    words = _words(root / "cpuacct" / "cpuacct.usage")
    return int(words[0]) / _NANOSECONDS if words else None


def _limit_v2(path: Path) -> float | None:
    words = _words(path)
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _limit_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) < 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
