"""A small API server on a loopback socket: objects, server-side apply, watches, refusals.

It has no controllers, defaults nothing, and lets one manager own what it applies; the end-to-end
tests run against a real one.
"""

import asyncio
import contextlib
import copy
import itertools
import json
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from asr_operator.cluster import client

NAMESPACE = "speech"
DEADLINE_S = 120.0
PATH = re.compile(
    r"(?P<prefix>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(/(?P<name>[^/]+))?(?P<status>/status)?"
)
RESOURCES = {
    "/apis/asr-operator.dev/v1alpha1": {"asrservices": "AsrService"},
    "/apis/apps/v1": {"deployments": "Deployment"},
    "/apis/policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "/api/v1": {
        "configmaps": "ConfigMap",
        "events": "Event",
        "namespaces": "Namespace",
        "pods": "Pod",
        "services": "Service",
    },
}
LIST_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}


class RefusedError(Exception):
    """What the API server answers instead of doing what it was asked."""

    def __init__(self, status, message="refused", cause="", *, is_plain=False):
        super().__init__(message)
        self.status = status
        self.is_plain = is_plain
        self.body = {"kind": "Status", "message": message, "details": {}}
        if cause:
            self.body["details"] = {"causes": [{"reason": cause}]}


class ApiServer:
    """Objects by (prefix, plural, namespace, name), and a log of all that changed them."""

    def __init__(self):
        self.url = ""
        self.time = "2026-01-01T00:00:00Z"
        self.objects = {}
        self.writes = []
        self.refusals = {}
        self.missing = set()
        self._versions = itertools.count(1)
        self._watches = []
        self._changed = asyncio.Event()

    def find(self, plural, name):
        """Return a stored object, or None."""
        return next(
            (found for key, found in self.objects.items() if key[1::2] == (plural, name)), None
        )

    def all(self, plural):
        """Return the stored objects of a kind."""
        return [found for key, found in self.objects.items() if key[1] == plural]

    def put(self, manifest, **fields):
        """Store an object as somebody else than the operator would."""
        manifest = copy.deepcopy({**manifest, **fields})
        metadata = manifest["metadata"]
        metadata.setdefault("namespace", NAMESPACE)
        if manifest["kind"] == "Pod":
            manifest.setdefault("spec", {})
        kinds = {kind: key for key, names in RESOURCES.items() for kind in names.values()}
        prefix = kinds[manifest["kind"]]
        plural = next(p for p, kind in RESOURCES[prefix].items() if kind == manifest["kind"])
        key = (prefix, plural, metadata["namespace"], metadata["name"])
        self._store(key, manifest, self.objects.get(key))
        return manifest

    def delete(self, plural, name):
        """Remove an object."""
        key = next(key for key in self.objects if key[1::2] == (plural, name))
        self._tell("DELETED", key, self.objects.pop(key))

    def refuse(self, method, plural, refusal):
        """Answer requests of a method for a kind with a refusal; None ends it."""
        self.refusals[method, plural] = refusal

    async def wait_until(self, condition):
        """Wait for objects to be as they should."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answer(self, request):
        """Answer one request."""
        if request.path in ("/api", "/apis", *RESOURCES):
            return web.json_response(self._discover(request.path))
        found = PATH.fullmatch(request.path)
        key = (found["prefix"], found["plural"], found["namespace"], found["name"])
        if request.query.get("watch"):
            return await self._watch(request, key)
        try:
            refusal = self.refusals.get((request.method, key[1]))
            if refusal is not None:
                raise refusal
            if key[1] in self.missing:
                raise RefusedError(404, "the server could not find the requested resource")
            body = await request.json() if request.body_exists else {}
            return web.json_response(self._do(request, key, body, bool(found["status"])))
        except RefusedError as refused:
            if refused.is_plain:
                return web.Response(text=str(refused), status=refused.status)
            return web.json_response(refused.body, status=refused.status)

    def _do(self, request, key, body, is_status):
        if request.method == "GET":
            return self._list(key, request.query) if key[3] is None else self._get(key)
        self.writes.append((request.method, key[1] + "/status" * is_status))
        if request.method == "POST":
            key = (*key[:3], body["metadata"]["name"])
            if key in self.objects:
                raise RefusedError(409, "already exists")
            return self._store(key, body, None)
        assert request.query["fieldManager"] == "asr-operator"
        if request.headers["Content-Type"] == "application/merge-patch+json":
            return self._merge(key, body)
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        if is_status:
            return self._apply_status(key, body)
        return self._apply(key, body, force=request.query["force"] == "true")

    def _get(self, key):
        if key not in self.objects:
            raise RefusedError(404, f"{key[1]} {key[3]} not found")
        return self.objects[key]

    def _list(self, key, query):
        items = [
            found
            for other, found in self.objects.items()
            if other[:2] == key[:2] and key[2] in (None, other[2]) and selects(query, found)
        ]
        version = str(next(self._versions))
        return {"items": items, "metadata": {"resourceVersion": version}}

    def _merge(self, key, body):
        existing = self._get(key)
        (changes,) = body["metadata"].values()
        annotations = {**existing["metadata"].get("annotations", {}), **changes}
        metadata = {**existing["metadata"], "annotations": annotations}
        return self._store(key, {**existing, "metadata": metadata}, existing)

    def _apply(self, key, body, *, force):
        existing = self.objects.get(key)
        if existing is not None and not force:
            raise RefusedError(409, "conflict: fields are owned by somebody else")
        entry = {"manager": "asr-operator", "operation": "Apply", "fieldsV1": render_fields(body)}
        entry["time"] = self.time
        body["metadata"]["managedFields"] = [entry]
        if existing is not None and "status" in existing:
            body["status"] = existing["status"]
        return self._store(key, body, existing)

    def _apply_status(self, key, body):
        existing = self._get(key)
        if body["metadata"]["resourceVersion"] != existing["metadata"]["resourceVersion"]:
            raise RefusedError(409, "the object has been modified")
        return self._store(key, {**existing, "status": body["status"]}, existing)

    def _store(self, key, manifest, existing):
        version = str(next(self._versions))
        before = existing["metadata"] if existing else {}
        same = existing is not None and manifest.get("spec") == existing.get("spec")
        manifest["metadata"] = {
            **manifest["metadata"],
            "uid": before.get("uid", f"uid-{version}"),
            "creationTimestamp": before.get("creationTimestamp", "2026-01-01T00:00:00Z"),
            "generation": before.get("generation", 0) + (not same),
            "resourceVersion": version,
        }
        self.objects[key] = manifest
        self._tell("MODIFIED" if existing else "ADDED", key, manifest)
        return manifest

    def _discover(self, path):
        if path == "/api":
            return {"versions": ["v1"]}
        if path == "/apis":
            groups = [prefix.split("/")[2:] for prefix in RESOURCES if prefix != "/api/v1"]
            return {
                "groups": [
                    {
                        "name": group,
                        "versions": [{"version": version}],
                        "preferredVersion": {"version": version},
                    }
                    for group, version in groups
                ]
            }
        verbs = ["get", "list", "watch", "patch"]
        return {
            "resources": [
                {"name": plural, "singularName": "", "kind": kind, "namespaced": True}
                | {"verbs": verbs}
                for plural, kind in RESOURCES[path].items()
            ]
        }

    def _tell(self, type_, key, manifest):
        self._changed.set()
        for watched, query, queue in self._watches:
            is_watched = watched[:2] == key[:2] and watched[2] in (None, key[2])
            if is_watched and selects(query, manifest):
                queue.put_nowait({"type": type_, "object": copy.deepcopy(manifest)})

    async def _watch(self, request, key):
        response = web.StreamResponse()
        await response.prepare(request)
        watch = (key, request.query, asyncio.Queue())
        self._watches.append(watch)
        try:
            while True:
                await response.write(json.dumps(await watch[2].get()).encode() + b"\n")
        finally:
            self._watches.remove(watch)


def selects(query, manifest):
    labels = manifest["metadata"].get("labels", {})
    about = manifest.get("involvedObject", {})
    fields = {"reason": manifest.get("reason")} | {
        f"involvedObject.{key}": value for key, value in about.items()
    }
    return all(
        found.get(key) == value
        for selector, found in (("labelSelector", labels), ("fieldSelector", fields))
        for key, value in (term.split("=") for term in query.get(selector, "").split(",") if term)
    )


def render_fields(body):
    """Return what an apply owns, as FieldsV1."""
    owned = render_part("", {key: body[key] for key in body if key not in ("apiVersion", "kind")})
    for name in ("f:name", "f:namespace"):
        owned["f:metadata"].pop(name, None)
    return owned


def render_part(key, value):
    if isinstance(value, dict):
        return {f"f:{name}": render_part(name, part) for name, part in value.items()}
    if isinstance(value, list) and key in LIST_KEYS:
        return {
            "k:" + json.dumps({name: item[name] for name in LIST_KEYS[key] if name in item}): {
                ".": {},
                **render_part("", item),
            }
            for item in value
        }
    return {}


@contextlib.asynccontextmanager
async def serve(server) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def api_server():
    """An API server that knows every kind and holds nothing."""
    server = ApiServer()
    async with serve(server):
        yield server


@pytest.fixture
async def cluster(api_server):
    """The operator's own client of that API server."""
    configuration = Configuration(host=api_server.url)
    cluster = client.KubernetesCluster(configuration)
    yield cluster
    await cluster.close()


@pytest.fixture
def dying_after(cluster, monkeypatch):
    """Let the operator die after some of its writes; of the next, the reply alone may be lost."""

    @contextlib.contextmanager
    def dying_after(writes, *, reply_lost):
        apply, written = cluster.apply, []

        async def apply_some(path, manifest, *, force):
            if len(written) == writes:
                if reply_lost:
                    await apply(path, manifest, force=force)
                raise ConnectionResetError
            written.append(path)
            return await apply(path, manifest, force=force)

        with monkeypatch.context() as patch:
            patch.setattr(cluster, "apply", apply_some)
            with pytest.raises(ConnectionResetError):
                yield

    return dying_after


@pytest.fixture
def refused():
    """Make a refusal: `refused(status, message, cause)`."""
    return RefusedError


@pytest.fixture
def asr_service(api_server):
    """Store an AsrService, or change the spec of the one that is there."""

    def put(name="demo", annotations=None, **spec):
        manifest = {
            "apiVersion": "asr-operator.dev/v1alpha1",
            "kind": "AsrService",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"model": {"demo": {}}, **spec},
        }
        existing = api_server.find("asrservices", name)
        status = {"status": existing["status"]} if existing and "status" in existing else {}
        return api_server.put(manifest, **status)

    return put
