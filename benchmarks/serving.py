"""A real server with the demo models, as a process of its own, and what can be seen of it."""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

START_S = 300.0
FLAGS = ("--host=127.0.0.1", "--port=0", "--probe-port=0", "--termination-log=/dev/null")


class Server:
    """Starts with the block and ends with it."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self._generation = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "log"
        self.live_config = Path(self._folder.name) / "config.json"
        self.live_config.write_text('{"generation": 0}')
        with self._log.open("w") as log:
            command = [sys.executable, "-m", "asr_server", *FLAGS, *self._flags]
            command.append(f"--live-config={self.live_config}")
            self._process = subprocess.Popen(command, stderr=log)
        ports = self._wait(lambda: [line for line in self.lines() if "probe_port" in line])[0]
        self.port = int(ports["port"])
        self._probes = f"http://127.0.0.1:{ports['probe_port']}"
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def wait_ready(self) -> None:
        """Wait until it takes sessions and has an engine."""
        self._wait(lambda: self.is_ready)

    def wait_for_another_engine(self, pid: int) -> None:
        """Wait until an engine other than this one is ready."""
        self._wait(lambda: pid not in self._engines() and self.is_ready)

    def configure(self, **values: object) -> None:
        """Write a new generation of the live configuration."""
        self._generation += 1
        written = self.live_config.with_suffix(".new")
        written.write_text(json.dumps({"generation": self._generation, **values}))
        written.rename(self.live_config)

    @property
    def is_ready(self) -> bool:
        """Whether it says so."""
        return self._get("/readyz")[0] == 200

    @property
    def pid(self) -> int:
        """The front process."""
        return self._process.pid

    @property
    def engine_pid(self) -> int:
        """The engine process."""
        engines = self._engines()
        if not engines:
            raise RuntimeError("there is no engine now")
        return engines[0]

    @property
    def metrics_url(self) -> str:
        """Where its metrics are."""
        return self._probes + "/metrics"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}"

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        text = self._log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]

    def problems(self) -> list[str]:
        """Return what must not be, whatever clients do."""
        found = [json.dumps(line) for line in self.lines() if line["level"] == "error"]
        status, page = self._get("/readyz")
        if status != 200:
            found.append(f"/readyz says {status} {page}")
        zeros = ("asr_engine_restarts_total", 'asr_sessions{state="speaking"}')
        return found + [f"{name} is {value:g}" for name in zeros if (value := self.metric(name))]

    def settle(self, within_s: float) -> list[str]:
        """Return the problems that are still there after a while."""
        deadline = time.monotonic() + within_s
        while (found := self.problems()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def metric(self, name: str) -> float | None:
        """Return the value of a series."""
        page = self._get("/metrics")[1]
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else None

    def resident_mb(self) -> int:
        """Return the memory of the front process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def _engines(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def _wait(self, condition: Any) -> Any:
        deadline = time.monotonic() + START_S
        while not (found := condition()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the server did not start: {self._log.read_text()}")
            time.sleep(0.05)
        return found

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self._probes + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError as error:
            return 0, str(error)
