"""kopf's entry points: they mark services dirty and do nothing else.

What happened does not matter, only what is: the queue's workers look, in `asr_operator.reconcile`.
"""

from typing import Any

import kopf
from kubernetes.aio import client as kubernetes_client

from asr_operator.api import names
from asr_operator.cluster.work_queue import WorkQueue

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
