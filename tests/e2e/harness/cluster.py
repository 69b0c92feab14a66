"""The cluster under test: changes through kubectl as a user makes them, reads through the API.

Only clusters made for tests are touched, and the one whose context ASR_CLUSTER_CONTEXT names.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from kubernetes import config

DISPOSABLE = ("kind-", "k3d-", "asr-cluster")
PATHS = {
    "AsrService": "apis/asr-operator.dev/v1alpha1/{}asrservices",
    "ConfigMap": "api/v1/{}configmaps",
    "Deployment": "apis/apps/v1/{}deployments",
    "EndpointSlice": "apis/discovery.k8s.io/v1/{}endpointslices",
    "Event": "api/v1/{}events",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/{}horizontalpodautoscalers",
    "Namespace": "api/v1/namespaces",
    "Node": "api/v1/nodes",
    "Pod": "api/v1/{}pods",
    "PodDisruptionBudget": "apis/policy/v1/{}poddisruptionbudgets",
    "ReplicaSet": "apis/apps/v1/{}replicasets",
    "ScaledObject": "apis/keda.sh/v1alpha1/{}scaledobjects",
    "Secret": "api/v1/{}secrets",
    "Service": "api/v1/{}services",
}


class RefusedError(Exception):
    """The API server said no; `code` is its status, the text its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cluster:
    """A connection to the API server that KUBECONFIG names."""

    def __init__(self) -> None:
        context = config.list_kube_config_contexts()[1]["name"]
        allowed = context.startswith(DISPOSABLE) or context == os.environ.get("ASR_CLUSTER_CONTEXT")
        assert allowed, f"not a cluster for tests: {context}"
        self._api = config.new_client_from_config()
        self._discovered = tempfile.mkdtemp(prefix="kubectl-")  # what it knew before is out of date

    def request(
        self, method: str, path: str, body: Any = None, *, content: str = "json", **query: object
    ) -> Any:
        """Call the API server; JSON comes back as values, anything else as text."""
        response = self._api.call_api(
            *self._api.param_serialize(
                method,
                f"/{path}",
                query_params=list(query.items()),
                header_params={"Accept": "*/*", "Content-Type": f"application/{content}"},
                body=body,
                auth_settings=["BearerToken"],
            ),
            _request_timeout=30,
        )
        text = response.read().decode()
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if response.status >= 400:
            message = value["message"] if isinstance(value, dict) else text
            raise RefusedError(response.status, message)
        return value

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as a user would; fail with what it said."""
        command = ["kubectl", "--cache-dir", self._discovered, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def namespace(self, name: str) -> "Namespace":
        return Namespace(self, name)

    def create_namespace(self, name: str) -> "Namespace":
        """Create a namespace that enforces the restricted Pod Security Standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = {"metadata": {"name": name, "labels": labels}}
        self.request("POST", PATHS["Namespace"], body)
        return Namespace(self, name)

    def picture(self) -> str:
        """Return what there is and what happened last, for the report of a failed test."""
        views = (
            ["get", "asr,deployments,pods", "-A", "-o", "wide"],
            ["events", "-A", "--types=Warning"],
            ["logs", "-n", "asr-system", "-l", "app.kubernetes.io/name=asr-operator", "--tail=30"],
        )
        done = (
            subprocess.run(["kubectl", *view], capture_output=True, text=True) for view in views
        )
        return "\n".join((each.stdout or each.stderr)[-6000:] for each in done)


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace of the cluster."""

    cluster: Cluster
    name: str

    def path(self, kind: str, name: str = "") -> str:
        return f"{PATHS[kind].format(f'namespaces/{self.name}/')}/{name}".rstrip("/")

    def get(self, kind: str, name: str) -> dict | None:
        try:
            return self.cluster.request("GET", self.path(kind, name))
        except RefusedError as refused:
            if refused.code == 404:
                return None
            raise

    def find(self, kind: str, selector: str = "") -> list[dict]:
        found = self.cluster.request("GET", self.path(kind), labelSelector=selector)["items"]
        return [{"kind": kind, **each} for each in found]

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(dict(manifest)))

    def patch(self, kind: str, name: str, body: Mapping[str, Any]) -> None:
        self.cluster.request("PATCH", self.path(kind, name), body, content="merge-patch+json")

    def delete(self, kind: str, name: str, **query: object) -> None:
        self.cluster.request("DELETE", self.path(kind, name), **query)

    def exists(self) -> bool:
        found = self.cluster.request("GET", PATHS["Namespace"])["items"]
        return self.name in {each["metadata"]["name"] for each in found}

    def empty(self) -> bool:
        """Delete every AsrService; return whether their pods are gone."""
        self.cluster.request("DELETE", self.path("AsrService"))
        return not self.find("Pod")

    def remove(self) -> None:
        """Delete the namespace; while there are pods, that would take half their grace period."""
        self.cluster.request("DELETE", f"{PATHS['Namespace']}/{self.name}")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("--namespace", self.name, *arguments, stdin=stdin)

    def owned_by(self, uid: str) -> list[dict]:
        """List every object that belongs to `uid`, directly or through another object."""
        kinds = ["ConfigMap", "Deployment", "Pod", "PodDisruptionBudget", "ReplicaSet", "Service"]
        left = [each for kind in kinds for each in self.find(kind)]
        owners, found = {uid}, []
        while owned := [each for each in left if owners & set(owners_of(each))]:
            found += owned
            left = [each for each in left if each not in owned]
            owners = {each["metadata"]["uid"] for each in owned}
        return found


def owners_of(manifest: Mapping[str, Any]) -> list[str]:
    """List the uids of the objects that own this one."""
    return [each["uid"] for each in manifest["metadata"].get("ownerReferences", [])]
