"""Writes the status of a service, and an event for each change worth telling.

A change of a knob that follows a change of the spec is not told: whoever made it knows.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from asr_operator.api import names, status
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import Identity
from asr_operator.autoscaler import explain
from asr_operator.cluster import client, paths
from asr_operator.cluster.observe import Snapshot
from asr_operator.decisions import history
from asr_operator.decisions.report import Transition
from asr_operator.state.plan import Manifest


async def write_status(
    cluster: client.Cluster, snapshot: Snapshot, new: status.AsrServiceStatus
) -> None:
    """Write a status; raise `client.ApiError` 409 when the service changed since it was read."""
    metadata = snapshot.service["metadata"]
    manifest: Manifest = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]},
        "status": status.render_status(new),
    }
    path = paths.status_path(metadata["namespace"], metadata["name"])
    await cluster.apply(path, manifest, force=True)


def describe_changes(records: Iterable[ScalingRecord]) -> tuple[Transition, ...]:
    """Return what to tell of the changes that the autoscaler made."""
    return tuple(
        Transition("Normal", str(change.reason), explain.describe_change(change))
        for change in history.read_changes(records)
        if change.reason != Reason.SPEC_CHANGED
    )


async def post_events(
    cluster: client.Cluster, service: Identity, transitions: Iterable[Transition], now: datetime
) -> None:
    """Post an event for each transition; the same transition at the same time is one event."""
    for transition in transitions:
        event = build_event(service, transition, now)
        try:
            await cluster.create(paths.collection_path("Event", service.namespace), event)
        except client.ApiError as error:
            if error.status != client.CONFLICT:
                raise


def build_event(service: Identity, transition: Transition, now: datetime) -> Manifest:
    """Return the event that tells of a transition."""
    time = status.render_time(now)
    told = f"{service.uid} {transition.reason} {transition.message} {time}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{service.name}.{digest}", "namespace": service.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": service.name,
            "namespace": service.namespace,
            "uid": service.uid,
        },
        "type": transition.type,
        "reason": transition.reason,
        "message": transition.message[:1024],
        "source": {"component": names.FIELD_MANAGER},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
