"""Wires the operator and runs it; the only place that builds long-lived objects.

Exit status: 0 after SIGTERM, 1 when it cannot go on, 2 for a bad setting.
"""

import asyncio
import contextlib
import json
import logging
import random
import sys
import time
from datetime import UTC, datetime

import kopf
import prometheus_client
from kubernetes.aio.config import ConfigException

from asr_operator import handlers, metrics, reconcile, settings
from asr_operator.cluster import access, client, load, queries
from asr_operator.cluster.prometheus import Prometheus
from asr_operator.cluster.ticks import Ticks
from asr_operator.cluster.work_queue import QueuePolicy, WorkQueue
from asr_operator.state.policy import ServerPolicy

logger = logging.getLogger("asr_operator")

EXIT_FAILED = 1
EXIT_SETTINGS = 2


def main() -> None:
    """Run the operator until SIGTERM."""
    try:
        given = settings.load_settings(sys.argv[1:])
        configure_logging(given.log_level)
        logger.info("starting with %s", given)
        asyncio.run(run(given))
    except settings.SettingsError as error:
        sys.stderr.write(f"asr-operator: {error}\n")
        sys.exit(EXIT_SETTINGS)
    except (access.AccessError, client.ApiError, ConfigException, OSError) as error:
        sys.stderr.write(f"asr-operator: {error}\n")
        sys.exit(EXIT_FAILED)


async def run(given: settings.OperatorSettings) -> None:
    """Serve until SIGTERM; raise when the cluster cannot be reached or lacks something."""
    configuration = await client.load_configuration()
    async with contextlib.AsyncExitStack() as stack:
        cluster = client.KubernetesCluster(configuration)
        stack.push_async_callback(cluster.close)
        await access.check_access(cluster, given.namespaces)
        measured = metrics.OperatorMetrics()
        source: load.LoadSource = load.NoSource(time.time)
        if given.prometheus is not None:
            prometheus = Prometheus(given.prometheus)
            stack.push_async_callback(prometheus.close)
            templates = queries.load_queries(given.prometheus.queries_file)
            source = load.Sampler(
                prometheus, templates, measured.sampler, time.time, lambda key: queue.mark(key)
            )
        reconciler = reconcile.Reconciler(
            cluster, build_policy(given), Ticks(source), measured, lambda: datetime.now(UTC)
        )
        policy = QueuePolicy(jitter=random.random, resync_s=given.resync_s)
        queue = WorkQueue(reconciler.reconcile, reconciler.record_failure, policy)
        measured.watch_queue(lambda: queue.depth)
        prometheus_client.start_http_server(given.metrics_port, registry=measured.registry)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(queue.serve()) for _ in range(given.workers)]
            if isinstance(source, load.Sampler):
                tasks.append(group.create_task(source.serve()))
            await kopf.operator(
                registry=handlers.build_registry(queue, configuration),
                settings=handlers.build_settings(),
                clusterwide=not given.namespaces,
                namespaces=given.namespaces,
                liveness_endpoint=f"http://0.0.0.0:{given.probe_port}/healthz",
            )
            for task in tasks:
                task.cancel()


def build_policy(given: settings.OperatorSettings) -> ServerPolicy:
    """Return what the settings say about server pods."""
    return ServerPolicy(
        image=given.server_image,
        image_patterns=given.image_allow_list,
        image_pull_secrets=given.image_pull_secrets,
    )


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if hasattr(record, "service"):
            line["service"] = record.service
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(level: str) -> None:
    """Log JSON lines to standard error; libraries speak up only when something is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for library in ("kopf", "aiohttp.access"):
            logging.getLogger(library).setLevel(logging.WARNING)
