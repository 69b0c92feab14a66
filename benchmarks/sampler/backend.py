"""A Prometheus that scrapes the synthetic exporter; both end with the benchmark."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PODS_PER_PAGE = 50
SCRAPE_S = 15
WARM_UP_S = 90
DEADLINE_S = 120.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Backend:
    """Where Prometheus is, and its process."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time that Prometheus has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression gives now."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found


@contextlib.contextmanager
def running(services: int, pods: int) -> Iterator[Backend]:
    """Run both until they hold what a minute's window and a peak need."""
    pages = -(-services * pods // PODS_PER_PAGE)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        module = [sys.executable, "-m", "benchmarks.sampler.exporter"]
        exporter = start(stack, [*module, *map(str, (services, pods, pages))], cwd=ROOT)
        assert exporter.stdout is not None
        port = int(exporter.stdout.readline())
        config = Path(folder) / "prometheus.json"
        config.write_text(render_config(port, pages))
        tool = [str(ROOT / "tests/cluster/cluster"), "tool", "prometheus"]
        program = subprocess.run(tool, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        listen = f"127.0.0.1:{free_port()}"
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        process = start(stack, [*command, f"--web.listen-address={listen}", "--log.level=error"])
        backend = Backend(f"http://{listen}", process.pid)
        wait(backend, f"count(asr_server_info offset {WARM_UP_S}s) == {services * pods}")
        yield backend


def start(
    stack: contextlib.ExitStack, command: list[str], cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Start a program that is killed when the stack unwinds."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def wait(backend: Backend, condition: str) -> None:
    """Wait until an expression gives something."""
    deadline = time.monotonic() + WARM_UP_S + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if backend.ask(condition):
                return
        time.sleep(1)
    raise TimeoutError(condition)


def render_config(port: int, pages: int) -> str:
    """Return Prometheus' configuration: every page is a target."""
    targets = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"__metrics_path__": f"/{page}", "instance": f"page-{page}"},
        }
        for page in range(pages)
    ]
    job = {"job_name": "servers", "honor_labels": True, "static_configs": targets}
    times = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"}
    return json.dumps({"global": times, "scrape_configs": [job]})


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
