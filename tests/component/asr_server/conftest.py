"""The whole server as a process on free ports, with the demo models."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

START_S, WAIT_S = 120.0, 60.0


class Server:
    """A server process on free ports."""

    def __init__(self, folder, *arguments):
        self.config = folder / "config.json"
        self.termination_log = folder / "termination-log"
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "asr_server", "--host=127.0.0.1", "--threads=1"),
                    *("--port=0", "--probe-port=0", f"--live-config={self.config}"),
                    *(f"--termination-log={self.termination_log}", *arguments),
                ],
                stderr=log,
                env=os.environ | {"ASR_NAMESPACE": "ns", "ASR_SERVICE": "svc", "ASR_POD": "pod"},
            )

    def lines(self):
        text = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]

    def wait(self, condition, what, timeout_s=WAIT_S):
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()}"
            time.sleep(0.02)
        return found

    def wait_listening(self):
        listening = self.wait(
            lambda: [line for line in self.lines() if line["message"] == "listening"], "listening"
        )
        self.url = f"ws://127.0.0.1:{listening[0]['port']}"
        self.probes = f"http://127.0.0.1:{listening[0]['probe_port']}"
        return self

    def wait_ready(self):
        self.wait(lambda: self.get("/readyz")[0] == 200, "ready", START_S)
        return self

    def get(self, path):
        try:
            with urllib.request.urlopen(self.probes + path, timeout=WAIT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return found and float(found[1])

    def sessions(self):
        return sum(self.metric(f'asr_sessions{{state="{s}"}}') for s in ("idle", "speaking"))

    def engine_pid(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def wait_exit(self, timeout_s=WAIT_S):
        return self.process.wait(timeout_s)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def new_server():
    """Start a server; whoever does ends it."""
    return Server


@pytest.fixture
def launch(tmp_path):
    """Start servers that end with the test."""
    servers = []

    def launch(*arguments):
        servers.append(Server(tmp_path, *arguments))
        return servers[-1]

    yield launch
    for server in servers:
        server.kill()
