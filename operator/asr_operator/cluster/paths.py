"""Where objects live under the API server."""

from asr_operator.api import names

CHILD_KINDS = ("ConfigMap", "Service", "PodDisruptionBudget", "Deployment")

# Kind: API prefix and plural.
RESOURCES = {
    names.KIND: (f"/apis/{names.API_VERSION}", names.PLURAL),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Event": ("/api/v1", "events"),
    "Pod": ("/api/v1", "pods"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Service": ("/api/v1", "services"),
}


def collection_path(kind: str, namespace: str | None) -> str:
    """Return the path of all objects of a kind in a namespace, or everywhere."""
    prefix, plural = RESOURCES[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}" if namespace else f"{prefix}/{plural}"


def object_path(kind: str, namespace: str, name: str) -> str:
    """Return the path of an object."""
    return f"{collection_path(kind, namespace)}/{name}"


def child_path(kind: str, namespace: str, service: str) -> str:
    """Return the path of a child of a service."""
    name = names.config_map_name(service) if kind == "ConfigMap" else service
    return object_path(kind, namespace, name)


def status_path(namespace: str, service: str) -> str:
    """Return the path of the status of a service."""
    return f"{object_path(names.KIND, namespace, service)}/status"
