"""A real Prometheus on loopback that scrapes synthetic server pods, each of them a scenario.

The first scrape of a pod brings more than half an hour of its past, with timestamps, so that rates
over minutes are exact; later ones have timestamps too, as an exporter may be late. Beside them are
DCGM exporters, whose text is in tests/data/dcgm.
"""

import contextlib
import json
import math
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asr_operator import metrics
from asr_operator.cluster import load, prometheus, queries
from asr_operator.settings import PrometheusSettings

ROOT = Path(__file__).parents[4]
DEADLINE_S = 120.0
PATIENCE_S = 60.0  # of the sampler with Prometheus, however busy the machine is
PAST_S, STEP_S = 2100, 10
SENTINEL = 9223372036854775794.0
BUCKETS = {"0.1": 0.2, "0.5": 0.8, "1": 1.0, "+Inf": 1.0}


@dataclass(frozen=True)
class Pod:
    """A synthetic server pod: rates per second of its counters, and its gauges.

    Where somebody speaks, `live` inputs a second, every file is later than any bound.
    """

    service: str
    name: str = "a"
    instance: str = ""
    audio: float = 10.0
    inputs: float = 2.0
    live: float = 0.0
    refused: float = 0.0
    busy: float = 0.4
    cpu: float = 0.6
    sessions: float = 3.0
    resets_after_s: float = math.inf
    ends_before_s: float = 0.0
    is_down: bool = False
    device: str = "cpu"
    nvml: float | None = None
    jobs: tuple[str, ...] = ("servers",)

    @property
    def target(self) -> str:
        return self.instance or f"{self.service}-{self.name}:8081"

    def series(self, now: float) -> dict[str, float]:
        """Return the value of each series at a time."""
        age = (now - START) % self.resets_after_s
        who = f'asr_namespace="speech",asr_service="{self.service}",asr_pod="{self.name}"'
        found = {
            f'asr_server_info{{{who},version="1",device="{self.device}",model="demo"}}': 1,
            'asr_received_audio_seconds_total{class="file"}': self.audio * age,
            'asr_received_items_total{class="file"}': self.inputs * age,
            'asr_received_items_total{class="final"}': self.live * age,
            'asr_refused_sessions_total{reason="full"}': self.refused / 2 * age,
            'asr_refused_sessions_total{reason="overloaded"}': self.refused / 2 * age,
            'asr_refused_sessions_total{reason="draining"}': 7 * age,
            "asr_engine_busy_seconds_total": self.busy * age,
            "asr_cpu_limited_seconds_total": self.cpu * age,
            'asr_sessions{state="idle"}': 1,
            'asr_sessions{state="speaking"}': self.sessions - 1,
            'asr_sessions{state="draining"}': 0,
            "asr_session_limit": 100,
            "asr_config_generation": 3,
            "asr_batch_size_limit": 16,
            'asr_batch_size_count{stage="asr"}': self.inputs / 4 * age,
            'asr_batch_size_sum{stage="asr"}': self.inputs * age,
            'asr_batch_audio_seconds_sum{stage="asr"}': self.audio * 1.2 * age,
            'asr_batch_seconds_sum{stage="asr"}': self.busy * 0.75 * age,
            'asr_batch_seconds_sum{stage="vad"}': self.busy * 0.25 * age,
            'asr_batch_size_count{stage="vad"}': 10 * age,
            'asr_batch_release_total{stage="asr",reason="size"}': self.inputs / 16 * age,
            'asr_batch_release_total{stage="asr",reason="idle"}': self.inputs * 3 / 16 * age,
        }
        if self.nvml is not None:
            found["asr_gpu_utilization_ratio"] = self.nvml
        for bound, share in BUCKETS.items():
            is_late = self.live and bound != "+Inf"
            latency, wait = "asr_final_latency_seconds_bucket", "asr_queue_wait_seconds_bucket"
            count = 0.0 if is_late else self.inputs * share * age
            found[f'{latency}{{mode="offline",le="{bound}"}}'] = count
            found[f'{wait}{{class="file",le="{bound}"}}'] = count
            count = self.live * share * age
            found[f'{latency}{{mode="2pass",le="{bound}"}}'] = count
            found[f'{wait}{{class="final",le="{bound}"}}'] = count
            found[f'{wait}{{class="partial",le="{bound}"}}'] = 0.0 if bound != "+Inf" else 9 * age
        return found


START = time.time() - 4000
NOTHING = {"audio": 0.0, "inputs": 0.0, "busy": 0.0, "sessions": 1.0}
NONSENSE = {"audio": math.nan, "inputs": math.nan, "busy": math.nan, "sessions": SENTINEL}
PODS = [
    Pod("steady", "a", refused=0.5),
    Pod("steady", "b", audio=20.0, busy=1.7),
    Pod("mixed", "a", live=1.0),
    Pod("mixed", "b", live=3.0),
    Pod("idle", "a", **NOTHING),
    Pod("lying", "a"),
    Pod("lying", "b", **NONSENSE),
    Pod("silent", "a"),
    Pod("silent", "b", is_down=True),
    Pod("doubled", "a", jobs=("servers", "again")),
    Pod("claimed", "a"),
    Pod("claimed", "b", instance="twin:8081"),
    Pod("claimed", "c", instance="twin:8081", jobs=("others",)),
    Pod("stale", "a", ends_before_s=200.0),
    Pod("restarting", "a", resets_after_s=45.0),
]


class Exporter(ThreadingHTTPServer):
    """Serves each pod under /JOB/SERVICE/POD."""

    daemon_threads = True

    def __init__(self, pods: list[Pod], dcgm: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods = {f"/{job}/{pod.service}/{pod.name}": pod for pod in pods for job in pod.jobs}
        self.dcgm = {f"/dcgm/{name}": text for name, text in dcgm.items()}
        self.seen: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        status, body = 200, server.dcgm.get(self.path, b"")
        if not body:
            pod = server.pods[self.path]
            status = 500 if pod.is_down else 200
            body = b"" if pod.is_down else self._render(pod, is_new=self.path not in server.seen)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        server.seen.add(self.path)  # not before: who gave up waiting knows nothing of the past

    def _render(self, pod: Pod, *, is_new: bool) -> bytes:
        end = time.time() - pod.ends_before_s
        if pod.ends_before_s and not is_new:
            return b""
        moments = [end - age for age in range(PAST_S, -1, -STEP_S)] if is_new else [end]
        return "".join(
            f"{name} {value} {int(moment * 1000)}\n"
            for moment in moments
            for name, value in pod.series(moment).items()
        ).encode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def wait_until(condition, what: str):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} took longer than {DEADLINE_S} s"
        time.sleep(0.1)
    return found


def find_url(log: Path) -> str | None:
    """Return where Prometheus says that it listens."""
    said = re.search(r'"Listening on" .*address=(\S+)', log.read_text())
    return f"http://{said[1]}" if said else None


def ask(url: str, expression: str) -> list[dict]:
    """Ask Prometheus without any of our code."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def render_config(exporter: Exporter) -> str:
    targets: dict[str, list] = {}
    for path, pod in exporter.pods.items():
        target = {
            "targets": [f"127.0.0.1:{exporter.server_address[1]}"],
            "labels": {"__metrics_path__": path, "instance": pod.target},
        }
        targets.setdefault(path.split("/")[1], []).append(target)
    jobs = [{"job_name": job, "static_configs": each} for job, each in targets.items()]
    for path in exporter.dcgm:
        labels = {"instance": f"{path}:9400", "pod": "dcgm-exporter-78z52", "namespace": "gpu"}
        jobs.append(
            {
                "job_name": path,
                "metrics_path": path,
                "honor_labels": path != "/dcgm/util",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{exporter.server_address[1]}"], "labels": labels}
                ],
            }
        )
    return json.dumps(
        {"global": {"scrape_interval": "5s", "scrape_timeout": "5s"}, "scrape_configs": jobs}
    )


@pytest.fixture(scope="module")
def make_exporter():
    """Make what there is to scrape, of the fields of pods and the texts of DCGM exporters."""

    def make(pods: list[dict], dcgm: dict[str, bytes]) -> Exporter:
        return Exporter([Pod(**each) for each in pods], dcgm)

    return make


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    """What there is to scrape."""
    return Exporter(PODS, {})


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory, exporter) -> Iterator[str]:
    """A Prometheus that has scraped everything."""
    folder = tmp_path_factory.mktemp("prometheus")
    thread = threading.Thread(target=exporter.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    config = folder / "prometheus.json"
    config.write_text(render_config(exporter))
    tool = [str(ROOT / "tests/cluster/cluster"), "tool", "prometheus"]
    program = subprocess.run(tool, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log
        )
    try:
        url = wait_until(lambda: find_url(folder / "log"), f"a port (see {folder / 'log'})")
        up = [pod for pod in exporter.pods.values() if not pod.is_down]
        targets = len(up) + len(exporter.dcgm)
        wait_until(lambda: is_scraped(url, targets), f"Prometheus (see {folder / 'log'})")
        yield url
    finally:
        process.kill()
        process.wait()
        exporter.shutdown()
        thread.join()
        exporter.server_close()
        shutil.rmtree(folder / "data", ignore_errors=True)


def is_scraped(url: str, targets: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(ask(url, f"count(max_over_time(up[5m]) == 1) == {targets}"))
    return False


@pytest.fixture
def measured():
    return metrics.OperatorMetrics()


@pytest.fixture
async def sampler(measured):
    """A function that makes a sampler; it is closed when the test ends."""
    opened = []

    def make(url, *, clock=time.time, queries_file=None, on_sample=lambda key: None, **settings):
        given = PrometheusSettings(url, **{"timeout_s": PATIENCE_S, **settings})
        client = prometheus.Prometheus(given)
        opened.append(client)
        templates = queries.load_queries(queries_file)
        return load.Sampler(client, templates, measured.sampler, clock, on_sample)

    yield make
    for client in opened:
        await client.close()
