"""The real server with the demo models, as a process of its own."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

START_S = 90.0


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[int]:
    """Run a server that is ready to serve; yields its port."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "asr_server", "--host=127.0.0.1", "--port=0", "--probe-port=0"]
    with log.open("w") as output, subprocess.Popen([*command, *arguments], stderr=output) as server:
        try:
            listening = _wait_for(lambda: _listening_line(log), server, log)
            probes = f"http://127.0.0.1:{listening['probe_port']}/readyz"
            _wait_for(lambda: _answers(probes), server, log)
            yield listening["port"]
        finally:
            server.terminate()


def _wait_for(found: Callable, server: subprocess.Popen, log: Path):
    deadline = time.monotonic() + START_S
    while not (result := found()):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return result


def _listening_line(log: Path) -> dict | None:
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return next((line for line in lines if line["message"] == "listening"), None)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:  # not ready, or gone: then its log is shown
        return False
