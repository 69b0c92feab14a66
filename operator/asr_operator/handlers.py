"""The reconcile, and the kopf entry points that mark services dirty.

Handlers only mark: what happened does not matter, only what is. One reconcile observes, decides,
applies and reports; it may be cut off anywhere, because the next one starts from what is there.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
import kopf
from kubernetes.aio import client as kubernetes_client

from asr_operator import metrics
from asr_operator.api import names
from asr_operator.cluster import apply, client, observe, report
from asr_operator.cluster.work_queue import Key, Outcome, WorkQueue
from asr_operator.decisions import plan
from asr_operator.decisions import report as decided_report
from asr_operator.state.plan import Plan
from asr_operator.state.policy import ServerPolicy

logger = logging.getLogger(__name__)

CHILD_RESOURCES = (
    ("apps", "v1", "deployments"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("", "v1", "pods"),
)
CHILD_SELECTOR = f"{names.MANAGED_BY_LABEL}={names.FIELD_MANAGER}"

# Work ends at its deadline of a minute, so after this long no worker works any more.
STALLED_S = 180.0


class Reconciler:
    """Brings one service at a time from what is observed to what is asked for."""

    def __init__(
        self,
        cluster: client.Cluster,
        policy: ServerPolicy,
        measured: metrics.OperatorMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._policy = policy
        self._metrics = measured
        self._clock = clock

    async def reconcile(self, key: Key) -> Outcome:
        """Observe, decide, apply, report; raise what another attempt may put right."""
        with self._metrics.reconcile_seconds.time():
            try:
                return await self._reconcile(key)
            except client.ApiError as error:
                if error.cause == client.NAMESPACE_TERMINATING:
                    return Outcome.GONE
                raise

    async def _reconcile(self, key: Key) -> Outcome:
        snapshot = await observe.observe_service(self._cluster, *key)
        if snapshot is None:
            return Outcome.GONE
        observed = observe.read_observed(snapshot)
        if observed.service.deleting:
            return Outcome.GONE
        planned = plan.plan_children(observed, self._policy)
        applied = await apply.apply_children(self._cluster, planned, snapshot)
        await self._report(snapshot.replace(applied.changed), planned, applied)
        waits_for_others = applied.refusals or (planned.hold and not observed.service.paused)
        return Outcome.RETRY if waits_for_others else Outcome.DONE

    async def _report(
        self, snapshot: observe.Snapshot, planned: Plan, applied: apply.Applied
    ) -> None:
        observed = observe.read_observed(snapshot)
        now = self._clock()
        new = decided_report.decide_status(observed, planned, applied.refusals, now)
        service = observed.service.identity
        told = decided_report.find_transitions(observed.status, new)
        if applied.changed or told:
            logger.info(
                "applied: %s; now: %s",
                ", ".join(applied.changed) or "nothing",
                ", ".join(transition.reason for transition in told) or "as before",
                extra={"service": f"{service.namespace}/{service.name}"},
            )
        if new != observed.status:
            await report.write_status(self._cluster, snapshot, new)
            await report.post_events(self._cluster, service, told, now)

    def record_failure(self, key: Key, error: Exception) -> None:
        """Tell of a reconcile that failed; it will be tried again."""
        where = {"service": "/".join(key)}
        if isinstance(error, client.ApiError) and error.status == client.CONFLICT:
            logger.debug("changed while it was reconciled: %s", error, extra=where)
            return
        self._metrics.reconcile_errors.inc()
        if isinstance(error, client.ApiError | aiohttp.ClientError | TimeoutError):
            logger.warning("reconcile failed: %s", error or "timed out", extra=where)
        else:
            logger.error("reconcile failed", exc_info=error, extra=where)


def build_registry(
    queue: WorkQueue, configuration: kubernetes_client.Configuration
) -> kopf.OperatorRegistry:
    """Return kopf's handlers: they mark services in the queue."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await build_connection(configuration)

    @kopf.on.probe(registry=registry, id="stalled_s")
    async def probe(**_: Any) -> float:
        return check_queue(queue)

    async def mark_service(namespace: str | None, name: str | None, **_: Any) -> None:
        if namespace and name:
            queue.mark((namespace, name))

    async def mark_owner(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        owner = labels.get(names.INSTANCE_LABEL)
        if namespace and owner:
            queue.mark((namespace, owner))

    kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)(mark_service)
    for resource in CHILD_RESOURCES:
        kopf.on.event(*resource, registry=registry)(mark_owner)
    return registry


def check_queue(queue: WorkQueue) -> float:
    """Return how many seconds ago work last ended; raise when no worker gets to it any more."""
    stalled_s = queue.stalled_s()
    if stalled_s > STALLED_S:
        raise kopf.PermanentError(f"no reconcile has ended for {stalled_s:.0f} s")
    return round(stalled_s, 3)


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: it watches, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # It would need to list namespaces and CRDs.
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.process.ultimate_exiting_timeout = 20
    for resource in CHILD_RESOURCES:
        settings.watching.label_selectors[resource] = CHILD_SELECTOR
    return settings


async def build_connection(
    configuration: kubernetes_client.Configuration,
) -> kopf.ConnectionInfo:
    """Return the credentials of our own client for kopf's, a renewed token included."""
    header = await configuration.get_api_key_with_prefix("BearerToken")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=header.split()[-1] if header else None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
