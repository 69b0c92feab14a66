"""Why the volumes of a server pod cannot be mounted: only the kubelet's events tell.

A pod whose Secret is missing has no other sign than that it stays as it is. So events are asked for
while a pod is being prepared, and of one pod only: the others wait for the same.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from asr_operator.api import status
from asr_operator.cluster import client, paths
from asr_operator.state.plan import Manifest

logger = logging.getLogger(__name__)

# The kubelet tries again within two minutes and two seconds; what it says no more is over.
RETRY_S = 150.0
# But its client (client-go) lets 25 events of a pod through, then one in five minutes: from then on
# what three in a row do not say is over.
EVENTS_BURST = 25
SPARSE_S = 900.0
# What it says beside the cause, after a while.
SUMMARY = "Unable to attach or mount volumes"


def find_start(pod: Manifest) -> str | None:
    """Return since when a pod has a node, but not yet its volumes and its network; else None."""
    conditions: Sequence[Mapping[str, str]] = (pod.get("status") or {}).get("conditions") or ()
    found = {(each["type"], each["status"]): each for each in conditions}
    scheduled = found.get(("PodScheduled", "True"))
    if scheduled is None or ("PodReadyToStartContainers", "False") not in found:
        return None
    created_at: str = pod["metadata"]["creationTimestamp"]
    return scheduled.get("lastTransitionTime") or created_at


async def find_failures(
    cluster: client.Cluster, namespace: str, name: str, pods: Sequence[Manifest]
) -> dict[str, str]:
    """Return what the kubelet says of the volumes of a service's newest pod that is being prepared.

    `pods` are those that are live. Best effort: what cannot be read stays untold, no more.
    """
    waiting = [pod["metadata"] for pod in pods if find_start(pod)]
    if not waiting:
        return {}
    newest = max(waiting, key=lambda metadata: (metadata["creationTimestamp"], metadata["name"]))
    query = {"fieldSelector": f"involvedObject.uid={newest['uid']},reason=FailedMount"}
    try:
        found = await cluster.get(paths.collection_path("Event", namespace), query)
    except client.UNAVAILABLE as error:
        # Who gives fewer rights than the chart does knows it.
        if not isinstance(error, client.ApiError) or error.status != client.FORBIDDEN:
            logger.warning(
                "cannot read the events of a server pod: %s",
                client.describe_failure(error),
                extra={"service": f"{namespace}/{name}"},
            )
        return {}
    return {newest["name"]: read_failure(found.get("items") or ())}


def read_failure(events: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong by events of one pod, in an order that does not vary; "" if nothing.

    The summary counts only if no cause was ever told.
    """
    causes = [event for event in events if not event.get("message", "").startswith(SUMMARY)]
    told = [(_read_time(event), event.get("message", "")) for event in causes or events]
    newest = max((time for time, _ in told), default=None)
    is_sparse = sum(event.get("count") or 1 for event in events) >= EVENTS_BURST
    window_s = SPARSE_S if is_sparse else RETRY_S
    recent = {
        message for time, message in told if newest and (newest - time).total_seconds() <= window_s
    }
    return "; ".join(sorted(recent))


def _read_time(event: Mapping[str, Any]) -> datetime:
    return status.parse_time(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )
