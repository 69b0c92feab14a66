"""An AsrService under test, as its user sees it: manifest, conditions, pods, address, metrics."""

import contextlib
import copy
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import parser

from harness import cluster, waiting

READY_S = 180  # a pod imports torch on a busy machine
CPU = {
    "model": {"demo": {}},
    "runtime": {"device": "cpu", "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}},
    "service": {"type": "NodePort"},  # reached from outside in every kind of cluster
    "lifecycle": {"drainTimeoutSeconds": 120},
}
PROBES = 8081
CONNECTIONS = 10  # in a row: a pod that has left and that the proxy still knows fails some


def manifest(name: str, *changes: Mapping[str, Any]) -> dict:
    """Return an AsrService with the demo model on the CPU, with changes merged into its spec."""
    return {
        "apiVersion": "asr-operator.dev/v1alpha1",
        "kind": "AsrService",
        "metadata": {"name": name},
        "spec": merged(CPU, *changes),
    }


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict:
    """Merge nested mappings; None removes a key, as in a JSON merge patch."""
    result: dict = copy.deepcopy(dict(base))
    for change in changes:
        for key, value in change.items():
            if value is None:
                result.pop(key, None)
            elif isinstance(value, Mapping):
                result[key] = merged(result.get(key) or {}, value)
            else:
                result[key] = value
    return result


@dataclass(frozen=True, slots=True)
class Service:
    """One AsrService in its namespace."""

    namespace: cluster.Namespace
    name: str

    def apply(self, *changes: Mapping[str, Any]) -> None:
        self.namespace.apply(manifest(self.name, *changes))

    def patch(self, spec: Mapping[str, Any]) -> None:
        self.namespace.patch("AsrService", self.name, {"spec": spec})

    def delete(self) -> None:
        self.namespace.delete("AsrService", self.name)

    @property
    def body(self) -> dict:
        body = self.namespace.get("AsrService", self.name)
        assert body, f"there is no AsrService {self.name}"
        return body

    @property
    def uid(self) -> str:
        return self.body["metadata"]["uid"]

    @property
    def status(self) -> dict:
        return self.body.get("status", {})

    def condition(self, kind: str) -> dict:
        """Return one condition as last reported for the present generation, or nothing."""
        body = self.body
        conditions = body.get("status", {}).get("conditions", [])
        found = [each for each in conditions if each["type"] == kind]
        generation = body["metadata"]["generation"]
        return found[0] if found and found[0]["observedGeneration"] == generation else {}

    def wait_condition(
        self, kind: str, status: str, reason: str | None = None, *, deadline_s: float = READY_S
    ) -> dict:
        """Wait until the condition has this status, and this reason if one is given."""
        wanted = {"status": status} | ({"reason": reason} if reason else {})
        return waiting.wait_for(
            f"{kind}={status} ({reason or 'any reason'}) of {self.name}",
            lambda: {"condition": self.condition(kind), "status": self.status},
            lambda state: wanted.items() <= state["condition"].items(),
            deadline_s=deadline_s,
        )["condition"]

    def wait_event(self, reason: str) -> None:
        """Wait for an event of this reason, which the operator posts after it wrote the status."""
        waiting.wait_for(
            f"event {reason} of {self.name}",
            lambda: self.described().split("Events:")[1],
            lambda events: reason in events,
        )

    def wait_ready(self, *, deadline_s: float = READY_S) -> None:
        """Wait until the present spec is rolled out, every replica serves, and nobody else does."""
        self.wait_rolled_out(deadline_s=deadline_s)
        self.wait_left()
        self.wait_reached()

    def wait_rolled_out(self, *, deadline_s: float = READY_S) -> None:
        """Wait until every replica of the present spec serves; others may still be draining."""
        self.wait_condition("Progressing", "False", deadline_s=deadline_s)
        self.wait_condition("Ready", "True", deadline_s=deadline_s)
        waiting.wait_for(
            f"{self.body['spec']['replicas']} ready pods of {self.name}",
            lambda: [pod["metadata"]["name"] for pod in self.pods()],
            lambda names: len(names) == self.body["spec"]["replicas"] == len(self.ready_pods()),
            deadline_s=deadline_s,
        )

    def wait_left(self) -> None:
        """Wait until pods on their way out have left, which until then may have sessions."""
        waiting.wait_for(
            f"end of the earlier pods of {self.name}",
            lambda: [pod["metadata"]["name"] for pod in self.pods(leaving=True)],
            lambda names: not names,
            deadline_s=READY_S,
        )

    def wait_reached(self) -> None:
        """Wait until all pods are sent sessions, and nobody else.

        A pod is ready before the Service has its address, and that before the node's proxy does.
        """
        waiting.wait_for(
            f"addresses of the pods of {self.name}",
            lambda: (self._addresses(), {pod["status"].get("podIP") for pod in self.pods()}),
            lambda state: state[0] == state[1],
        )
        waiting.wait_for(f"{CONNECTIONS} connections to {self.name}", self._is_reached)

    def _addresses(self) -> set[str]:
        """Return the addresses that the Service sends to, or would if there were no others."""
        slices = self.namespace.find("EndpointSlice", f"kubernetes.io/service-name={self.name}")
        endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or ()]
        return {address for endpoint in endpoints for address in endpoint["addresses"]}

    def _is_reached(self) -> bool:
        address = urlsplit(self.url)
        with contextlib.suppress(OSError):
            for _ in range(CONNECTIONS):
                socket.create_connection((address.hostname, address.port), timeout=2).close()
            return True
        return False

    def pods(self, *, leaving: bool = False) -> list[dict]:
        """List the server pods that are there to stay, or those that are on their way out."""
        pods = self.namespace.find("Pod", f"app.kubernetes.io/instance={self.name}")
        return [pod for pod in pods if ("deletionTimestamp" in pod["metadata"]) == leaving]

    def pod_uids(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def ready_pods(self) -> set[str]:
        return {
            pod["metadata"]["uid"]
            for pod in self.pods()
            for condition in pod["status"].get("conditions", [])
            if (condition["type"], condition["status"]) == ("Ready", "True")
        }

    def children(self) -> dict[str, dict]:
        """Return the objects that the operator made, by kind."""
        uid, owned = self.uid, self.namespace.owned_by(self.uid)
        return {each["kind"]: each for each in owned if uid in cluster.owners_of(each)}

    @property
    def url(self) -> str:
        """Return the address at which the Service is reached from outside the cluster."""
        (port,) = self.children()["Service"]["spec"]["ports"]
        (node, *_) = self.namespace.cluster.request("GET", cluster.PATHS["Node"])["items"]
        address = next(
            each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"
        )
        secure = port.get("appProtocol") == "kubernetes.io/wss"
        return f"{'wss' if secure else 'ws'}://{address}:{port['nodePort']}"

    def metrics(self) -> dict[str, "Metrics"]:
        """Scrape every pod through the API server's proxy."""
        return {
            name: Metrics.parse(
                self.namespace.cluster.request(
                    "GET", f"{self.namespace.path('Pod', name)}:{PROBES}/proxy/metrics"
                )
            )
            for name in (pod["metadata"]["name"] for pod in self.pods())
        }

    def readiness(self, pod: str) -> str:
        """Ask a pod, which may be on its way out, whether it is ready; return what it says."""
        path = f"{self.namespace.path('Pod', pod)}:{PROBES}/proxy/readyz"
        try:
            return self.namespace.cluster.request("GET", path)
        except cluster.RefusedError as refused:
            return str(refused)

    def described(self) -> str:
        return self.namespace.kubectl("describe", "asr", self.name)


@dataclass(frozen=True, slots=True)
class Metrics:
    """One scrape."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        families = parser.text_string_to_metric_families(text)
        return cls(tuple((s.name, s.labels, s.value) for each in families for s in each.samples))

    def value(self, name: str, **labels: str) -> float:
        """Return the one sample that has these labels."""
        (found,) = self.values(name, **labels)
        return found

    def values(self, name: str, **labels: str) -> list[float]:
        return [
            value
            for found, with_labels, value in self.samples
            if found == name and labels.items() <= with_labels.items()
        ]
