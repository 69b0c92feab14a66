"""Requests to the API server: paths and plain objects in, plain objects out.

One long-lived client per process; no request without a deadline.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from asr_operator.api import names
from asr_operator.state.plan import Manifest

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)

FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
NAMESPACE_TERMINATING = "NamespaceTerminating"


class ApiError(Exception):
    """The API server refused a request: the HTTP `status`, and its own word for the `cause`."""

    def __init__(self, status: int, message: str, cause: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.cause = cause


UNAVAILABLE = (ApiError, aiohttp.ClientError, TimeoutError)
"""What a request to an API server that cannot answer it ends in."""


class Cluster(Protocol):
    """What the operator needs of the API server; every method raises `ApiError` when refused."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        """Return an object or a list."""

    async def apply(self, path: str, manifest: Manifest, *, force: bool) -> Manifest:
        """Apply an object on the server side; `force` takes fields over from other managers."""

    async def merge(self, path: str, patch: Manifest) -> Manifest:
        """Merge some fields into an object; null removes one."""

    async def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in a collection."""


class KubernetesCluster:
    """The API server that this process runs in, or that KUBECONFIG names."""

    def __init__(self, configuration: kubernetes_client.Configuration) -> None:
        self._api = kubernetes_client.ApiClient(configuration)
        self._api.user_agent = names.FIELD_MANAGER

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        """Return an object or a list."""
        return await self._request("GET", path, query=query)

    async def apply(self, path: str, manifest: Manifest, *, force: bool) -> Manifest:
        """Apply an object on the server side; `force` takes fields over from other managers."""
        query = {"fieldManager": names.FIELD_MANAGER, "force": str(force).lower()}
        return await self._request(
            "PATCH", path, query=query, body=manifest, content="application/apply-patch+yaml"
        )

    async def merge(self, path: str, patch: Manifest) -> Manifest:
        """Merge some fields into an object; null removes one."""
        query = {"fieldManager": names.FIELD_MANAGER}
        return await self._request(
            "PATCH", path, query=query, body=patch, content="application/merge-patch+json"
        )

    async def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in a collection."""
        query = {"fieldManager": names.FIELD_MANAGER}
        return await self._request("POST", path, query=query, body=manifest)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        body: Manifest | None = None,
        content: str = "application/json",
    ) -> Manifest:
        verb, url, headers, payload, _ = await self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = await self._api.call_api(
            verb, url, headers, payload, _request_timeout=REQUEST_TIMEOUT
        )
        return _read_answer(response.status, await response.read())


async def load_configuration() -> kubernetes_client.Configuration:
    """Return how to reach the API server: this pod's service account, else KUBECONFIG.

    Raises `kubernetes.aio.config.ConfigException` when there is neither.
    """
    configuration = kubernetes_client.Configuration()
    try:
        kubernetes_config.load_incluster_config(configuration)
    except kubernetes_config.ConfigException:
        await kubernetes_config.load_kube_config(client_configuration=configuration)
    return configuration


def describe_failure(error: Exception) -> str:
    """Return what went wrong with a request, also of errors that have no text of their own."""
    if str(error):
        return str(error)
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__


def _read_answer(status: int, body: bytes) -> Manifest:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ApiError(status, body.decode(errors="replace")[:200])
    if status < 300:
        return answer
    causes = (answer.get("details") or {}).get("causes") or [{}]
    raise ApiError(status, answer.get("message") or "no reason given", causes[0].get("reason", ""))
