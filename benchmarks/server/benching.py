"""asr-bench as a process of its own, and processes seen from outside."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr_server.bench import exposition
from benchmarks.serving import Server


class Load:
    """An asr-bench under way."""

    def __init__(self, process: subprocess.Popen[str], written: Path) -> None:
        self._process = process
        self._written = written

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def finish(self) -> dict[str, Any]:
        """Wait until it ends and return what it found. Raises RuntimeError."""
        _, said = self._process.communicate()
        if self._process.returncode not in (0, 1):
            raise RuntimeError(f"asr-bench failed: {said}")
        found: dict[str, Any] = json.loads(self._written.read_text(encoding="utf-8"))
        return found

    def end(self) -> None:
        """End it early."""
        if not self.is_over:
            self._process.kill()
            self._process.communicate()


@contextlib.contextmanager
def bench(url: str, *arguments: str) -> Iterator[Load]:
    """Run asr-bench beside the block."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "bench.json")
        command = [sys.executable, "-m", "asr_server.bench", url, f"--json={written}", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        load = Load(process, written)
        try:
            yield load
        finally:
            load.end()


def run_bench(url: str, *arguments: str) -> dict[str, Any]:
    """Run asr-bench to its end."""
    with bench(url, *arguments) as load:
        return load.finish()


def count_harm(trial: dict[str, Any]) -> int:
    """Return what a trial lost, doubled, mixed up or cut."""
    account = trial["account"]
    faults = ("lost", "doubled", "mixed_up", "refused", "cut", "given_up")
    return sum(int(account[fault]) for fault in faults)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_kib(pid: int) -> int:
    """Return the memory that a process shares with nobody."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


class Grown:
    """What the metrics of a server grew by since."""

    def __init__(self, server: Server) -> None:
        self._url = server.metrics_url
        self._before = exposition.fetch_page(self._url)

    def read(self) -> exposition.Page:
        """Return by how much each series grew until now."""
        return exposition.subtract(self._before, exposition.fetch_page(self._url))
