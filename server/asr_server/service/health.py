"""What the probe pages say: live, ready, metrics.

Live means that the event loop turns; whoever reads the page has seen it turn. Ready means that an
engine takes work and answers, and that the server does not drain. A full server is ready.
"""

from http import HTTPStatus

from prometheus_client import CollectorRegistry, exposition

from asr_server.service.admission import DRAINING, LOADING, Admission
from asr_server.service.engine_link import EngineLink
from asr_server.service.probes import Page


class Health:
    """The pages of this server."""

    def __init__(self, admission: Admission, link: EngineLink, registry: CollectorRegistry) -> None:
        self._admission = admission
        self._link = link
        self._registry = registry
        self.pages = {"/livez": self.live, "/readyz": self.ready, "/metrics": self.metrics}

    def live(self) -> Page:
        """Say that the loop turns."""
        return Page(b"live\n")

    def ready(self) -> Page:
        """Say whether sessions are served, and if not, why."""
        reason = self._why_not_ready()
        if reason is None:
            return Page(b"ready\n")
        return Page(f"not ready: {reason}\n".encode(), HTTPStatus.SERVICE_UNAVAILABLE)

    def metrics(self) -> Page:
        """Show all metrics in Prometheus' text format."""
        body = exposition.generate_latest(self._registry)
        return Page(body, content_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)

    def _why_not_ready(self) -> str | None:
        if self._admission.closed is DRAINING:
            return "draining"
        if self._admission.closed is LOADING:
            return "models are being loaded"
        if not self._link.connected:
            return "the recognition engine died and is being started again"
        if self._link.stalled:
            return "the recognition engine does not answer"
        return None
