"""What the cluster says while a load runs.

Changes come from the status of the resource, numbers from Prometheus.
"""

import asyncio
import contextlib
import json
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import cluster
import settings

from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import ScalingRecord, parse_record
from asr_operator.autoscaler import explain
from asr_operator.state.scaling import Change

WINDOW = "10s"
OF_SERVICE = '* on(instance) group_left() asr_server_info{asr_namespace="%s", asr_service="%s"}'
QUERIES = {
    "wait_s": (
        f"histogram_quantile(0.95, sum by (le) (rate(asr_queue_wait_seconds_bucket[{WINDOW}]) OF))"
    ),
    "cpu": f"avg(rate(asr_cpu_limited_seconds_total[{WINDOW}]) OF)",
    "open": f"sum(avg_over_time(asr_sessions[{WINDOW}]) OF)",
    "limit": "max(asr_batch_size_limit OF)",
    "items": f'sum(rate(asr_batch_size_sum{{stage="asr"}}[{WINDOW}]) OF)',
    "batches": f'sum(rate(asr_batch_size_count{{stage="asr"}}[{WINDOW}]) OF)',
}


@dataclass(frozen=True, slots=True)
class Told:
    """A change that the operator recorded, and why, in a sentence."""

    time: datetime
    knob: str
    to: int
    sentence: str


@dataclass(slots=True)
class Seen:
    """The resource as it was last seen, and every change on record since the watch began."""

    replicas: int = 0
    ready: int = 0
    changes: list[Told] = field(default_factory=list)
    _records: set[ScalingRecord] = field(default_factory=set)

    def take(self, resource: dict[str, Any]) -> None:
        """Take a state of the resource."""
        status = resource.get("status", {})
        self.replicas, self.ready = status.get("replicas", 0), status.get("readyReplicas", 0)
        for record in map(parse_record, status.get("scalingHistory", [])):
            if record not in self._records:
                self._records.add(record)
                self.changes.append(tell(record))


def tell(record: ScalingRecord) -> Told:
    """Put a record into words."""
    time = datetime.fromisoformat(record.time)
    change = Change(
        at=time.timestamp(),
        knob=record.knob,
        from_=record.from_,
        to=record.to,
        reason=cast(Reason, record.reason),
        inputs=record.inputs,
    )
    return Told(time, record.knob, record.to, explain.describe_change(change))


async def watch(service: str, seen: Seen) -> None:
    """Keep `seen` up to date for as long as this runs."""
    command = ["kubectl", "-n", cluster.NAMESPACE, "get", "asr", service, "-o", "json", "--watch"]
    watching = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert watching.stdout
        async for resource in read_objects(watching.stdout):
            seen.take(resource)
        raise RuntimeError(f"the watch ended: {' '.join(command)}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            watching.terminate()
        await watching.wait()


async def read_objects(stream: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON objects of a stream, each of which ends with a line that is a brace."""
    lines: list[bytes] = []
    async for line in stream:
        lines.append(line)
        if line == b"}\n":
            yield json.loads(b"".join(lines))
            lines.clear()


async def measure(service: str) -> dict[str, float | None]:
    """Ask Prometheus for the numbers of a service; None is what it does not know."""
    asked = (asyncio.to_thread(query, promql, service) for promql in QUERIES.values())
    return dict(zip(QUERIES, await asyncio.gather(*asked), strict=True))


def query(promql: str, service: str) -> float | None:
    """Ask for one number."""
    given = promql.replace("OF", OF_SERVICE % (cluster.NAMESPACE, service))
    url = f"{settings.PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': given})}"
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:
            result = json.load(answer)["data"]["result"]
    except OSError:
        return None
    value = float(result[0]["value"][1]) if result else float("nan")
    return None if value != value else value
