"""Every series of many synthetic server pods, on a few pages; run as a process of its own.

    python -m benchmarks.sampler.exporter SERVICES PODS PAGES

Names and labels are those of the server's own registry; `instance` is on each series, so that a
page stands for many pods (`honor_labels`). The first line on standard output is the port.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asr_server.metrics import Metrics

NAMESPACES = 50
SESSION_LIMIT = 100.0
BATCH_RELEASES = itertools.product(("vad", "asr", "punc"), ("size", "audio", "slack", "idle"))


def build_registry() -> Metrics:
    """Return the metrics of a server, each with the labels that it has in service."""
    metrics = Metrics()
    for state in ("idle", "speaking", "draining"):
        metrics.session.sessions.labels(state)
    for stage, reason in BATCH_RELEASES:
        metrics.engine.batch_release.labels(stage, reason)
    return metrics


def list_series() -> Iterator[tuple[str, str, float, float]]:
    """Yield name, labels, start and growth a second of each series of one pod."""
    for family in build_registry().registry.collect():
        for sample in family.samples:
            if sample.name == "asr_server_info":
                continue
            labels = "".join(f'{name}="{value}",' for name, value in sample.labels.items())
            grows = family.type in ("counter", "histogram")
            bound = float(sample.labels.get("le", "inf"))
            start = SESSION_LIMIT if sample.name == "asr_session_limit" else 3.0
            yield sample.name, labels, start, (min(bound, 10.0) / 20 if grows else 0.0)


class Exporter(ThreadingHTTPServer):
    """Serves the pages as /0, /1, and so on."""

    daemon_threads = True

    def __init__(self, services: int, pods: int, pages: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._series = list(list_series())
        self._pods = [
            (f"team-{service % NAMESPACES}", f"service-{service}", f"service-{service}-{pod}")
            for service in range(services)
            for pod in range(pods)
        ]
        self._pages = pages

    def render_page(self, page: int) -> bytes:
        """Return the series of every pod of a page as they are now."""
        now_s = time.monotonic()
        values = [
            (name, labels, start + growth * now_s) for name, labels, start, growth in self._series
        ]
        return "".join(
            self._render_pod(pod, values) for pod in self._pods[page :: self._pages]
        ).encode()

    def _render_pod(self, pod: tuple[str, str, str], values: list[tuple[str, str, float]]) -> str:
        namespace, service, name = pod
        who = f'asr_namespace="{namespace}",asr_service="{service}",asr_pod="{name}"'
        end = f'instance="{name}:8081"}} '
        info = f'asr_server_info{{{who},version="1",device="cuda",model="m",{end}1\n'
        return info + "".join([f"{each}{{{labels}{end}{value}\n" for each, labels, value in values])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Exporter

    def do_GET(self) -> None:
        body = self.server.render_page(int(self.path.strip("/")))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    exporter = Exporter(*map(int, sys.argv[1:]))
    print(exporter.server_address[1], flush=True)
    exporter.serve_forever()
