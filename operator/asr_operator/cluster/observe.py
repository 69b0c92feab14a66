"""Reads one service with its children and server pods; the shapes of the Kubernetes API stop here.

Every read goes to the API server, so that no decision is made on a stale cache.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from asr_operator.api import names, scaling_status, spec, status
from asr_operator.children.config_map import LIVE_CONFIG_FILE
from asr_operator.children.secret_volumes import TLS_VOLUME
from asr_operator.children.service import SECURE_PROTOCOL
from asr_operator.cluster import client, drift, mounts, paths
from asr_operator.state.observed import (
    Observed,
    ObservedChild,
    ObservedConfig,
    ObservedDeployment,
    ObservedPod,
    Termination,
)
from asr_operator.state.plan import Manifest

FINISHED_PHASES = ("Succeeded", "Failed")
POD_TEMPLATE_LABEL = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, as it is stored: the service, its children by kind, its server pods.

    `mount_failures` is what the kubelet says of volumes, by the name of the pod.
    """

    service: Manifest
    children: Mapping[str, Manifest]
    pods: tuple[Manifest, ...]
    mount_failures: Mapping[str, str] = field(default_factory=dict)

    def replace(self, changed: Mapping[str, Manifest]) -> "Snapshot":
        """Return the snapshot with newer versions of some children."""
        return replace(self, children={**self.children, **changed})


async def observe_service(cluster: client.Cluster, namespace: str, name: str) -> Snapshot | None:
    """Read a service and all that belongs to it; None when it does not exist."""
    service = await _find(cluster, paths.object_path(names.KIND, namespace, name))
    if service is None:
        return None
    selector = names.render_selector_text(names.render_labels(name))
    *children, pods = await asyncio.gather(
        *(_find(cluster, paths.child_path(kind, namespace, name)) for kind in paths.CHILD_KINDS),
        cluster.get(paths.collection_path("Pod", namespace), {"labelSelector": selector}),
    )
    found = {kind: child for kind, child in zip(paths.CHILD_KINDS, children, strict=True) if child}
    items = tuple((pods or {}).get("items") or ())
    live = [pod for pod in items if _is_live(pod)]
    failures = await mounts.find_failures(cluster, namespace, name, live)
    return Snapshot(service, found, items, failures)


def read_observed(snapshot: Snapshot) -> Observed:
    """Return what was read as values; of somebody else's objects only that they are there."""
    service = spec.parse_service(snapshot.service)
    children = tuple(_read_child(kind, child) for kind, child in snapshot.children.items())
    own = {
        child.kind: snapshot.children[child.kind]
        for child in children
        if child.controller_uid == service.identity.uid
    }
    deployment, exposed = own.get("Deployment"), own.get("Service")
    config_map = own.get("ConfigMap")
    port = exposed["spec"]["ports"][0] if exposed else {}
    return Observed(
        service=service,
        status=status.parse_status(snapshot.service),
        children=children,
        deployment=read_deployment(deployment) if deployment else None,
        service_port=port.get("port"),
        service_tls=port.get("appProtocol") == SECURE_PROTOCOL,
        config=read_config(config_map) if config_map else None,
        pods=tuple(
            read_pod(pod, snapshot.mount_failures.get(pod["metadata"]["name"], ""))
            for pod in snapshot.pods
            if _is_live(pod)
        ),
    )


def read_deployment(deployment: Manifest) -> ObservedDeployment:
    """Return the state of a Deployment."""
    observed = deployment.get("status") or {}
    conditions = {found["type"]: found for found in observed.get("conditions") or ()}
    progressing = conditions.get("Progressing") or {}
    refused = conditions.get("ReplicaFailure") or {}
    return ObservedDeployment(
        is_current=observed.get("observedGeneration", 0) >= deployment["metadata"]["generation"],
        desired=deployment["spec"].get("replicas", 1),
        replicas_record=_read_record(deployment),
        replicas=observed.get("replicas", 0),
        updated_replicas=observed.get("updatedReplicas", 0),
        ready_replicas=observed.get("readyReplicas", 0),
        deadline_exceeded=progressing.get("reason") == "ProgressDeadlineExceeded",
        pod_refusal=_drop_pod_name(refused.get("message", ""))
        if refused.get("status") == "True"
        else None,
    )


def read_config(config_map: Manifest) -> ObservedConfig:
    """Return the live configuration of a ConfigMap."""
    entry = drift.find_entry(config_map) or {}
    return ObservedConfig(
        text=(config_map.get("data") or {}).get(LIVE_CONFIG_FILE, ""),
        written_at=entry.get("time"),
        batch_record=_read_record(config_map),
    )


def read_pod(pod: Manifest, mount_failure: str = "") -> ObservedPod:
    """Return the state of a server pod and of its one container."""
    metadata, observed = pod["metadata"], pod.get("status") or {}
    conditions = {found["type"]: found for found in observed.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    container: Manifest = next(iter(observed.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    ready = conditions.get("Ready") or {}
    is_ready = ready.get("status") == "True"
    annotations = metadata.get("annotations") or {}
    return ObservedPod(
        name=metadata["name"],
        template=(metadata.get("labels") or {}).get(POD_TEMPLATE_LABEL, ""),
        created_at=metadata["creationTimestamp"],
        is_ready=is_ready,
        ready_at=ready.get("lastTransitionTime") if is_ready else None,
        told_generation=_parse_generation(annotations.get(names.CONFIG_GENERATION_ANNOTATION)),
        told_at=annotations.get(names.CONFIG_TOLD_ANNOTATION),
        deletion_cost=annotations.get(names.DELETION_COST_ANNOTATION),
        is_running="running" in state,
        speaks_tls=any(volume["name"] == TLS_VOLUME for volume in pod["spec"].get("volumes") or ()),
        preparing_since=mounts.find_start(pod),
        mount_failure=mount_failure,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        terminated=_read_termination(state, container.get("lastState") or {}),
        unschedulable=scheduled.get("message", "")
        if scheduled.get("reason") == "Unschedulable"
        else None,
    )


def _read_termination(state: Mapping[str, Any], last: Mapping[str, Any]) -> Termination | None:
    ended = state.get("terminated") or last.get("terminated")
    if ended is None:
        return None
    return Termination(ended["exitCode"], ended.get("reason", ""), ended.get("message", ""))


def _read_record(child: Manifest) -> scaling_status.ScalingRecord | None:
    annotations = child["metadata"].get("annotations") or {}
    return scaling_status.parse_record_text(annotations.get(names.CHANGE_ANNOTATION))


def _parse_generation(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _read_child(kind: str, child: Manifest) -> ObservedChild:
    owners = child["metadata"].get("ownerReferences") or ()
    controller = next((owner["uid"] for owner in owners if owner.get("controller")), None)
    return ObservedChild(kind, child["metadata"]["name"], controller)


def _is_live(pod: Manifest) -> bool:
    finished = (pod.get("status") or {}).get("phase") in FINISHED_PHASES
    return not finished and "deletionTimestamp" not in pod["metadata"]


def _drop_pod_name(message: str) -> str:
    """Leave out the name of the pod that was refused: it is another one at each attempt."""
    head, marker, tail = message.partition(" is forbidden: ")
    return tail if marker and head.startswith("pods ") else message


async def _find(cluster: client.Cluster, path: str) -> Manifest | None:
    try:
        return await cluster.get(path)
    except client.ApiError as error:
        if error.status == client.NOT_FOUND:
            return None
        raise
