"""One reconcile at a time, against an API server that can be made to refuse anything."""

import json
from datetime import UTC, datetime

import aiohttp
import pytest

from asr_operator import metrics, reconcile
from asr_operator.cluster import client
from asr_operator.cluster.load import NoSource
from asr_operator.cluster.ticks import Ticks
from asr_operator.cluster.work_queue import Outcome
from asr_operator.state.policy import ServerPolicy

KEY = ("speech", "demo")
CHILDREN = ["configmaps", "services", "poddisruptionbudgets", "deployments"]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIME = "2026-01-01T12:00:00Z"


@pytest.fixture
def measured():
    return metrics.OperatorMetrics()


@pytest.fixture
def reconciler(cluster, measured):
    policy = ServerPolicy(image="registry.example/asr-server:1")
    loop = Ticks(NoSource(NOW.timestamp))
    return reconcile.Reconciler(cluster, policy, loop, measured, lambda: NOW)


@pytest.fixture
def run(reconciler, api_server):
    """Reconcile once; return what came of it and what was written."""

    async def once():
        api_server.writes.clear()
        result = await reconciler.reconcile(KEY)
        return result.outcome, [plural for _, plural in api_server.writes]

    return once


def reasons(api_server, name="demo"):
    status = api_server.find("asrservices", name)["status"]
    return {found["type"]: found["reason"] for found in status["conditions"]}


def set_status(api_server, plural, name, status):
    api_server.put({**api_server.find(plural, name), "status": status})


async def test_a_new_service_gets_its_children_a_status_and_events(api_server, asr_service, run):
    service = asr_service()
    outcome, writes = await run()
    assert outcome is Outcome.DONE
    assert writes == [*CHILDREN, "asrservices/status", "events", "events"]
    for plural in CHILDREN:
        (child,) = api_server.all(plural)
        assert child["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"]
    assert reasons(api_server)["Ready"] == "Starting"
    assert {event["reason"] for event in api_server.all("events")} == {"Starting", "RollingOut"}
    for event in api_server.all("events"):
        assert event["involvedObject"]["uid"] == service["metadata"]["uid"]


async def test_a_quiet_service_is_left_in_peace(asr_service, run):
    asr_service(placement={"nodeSelector": {"gpu": "yes"}})
    await run()
    for _ in range(3):
        assert await run() == (Outcome.DONE, [])


async def test_new_bounds_reach_the_configuration_only(api_server, asr_service, run):
    asr_service()
    await run()
    asr_service(batching={"size": 5}, runtime={"maxSessions": 7})
    assert (await run())[1] == ["configmaps", "asrservices/status"]
    live = json.loads(api_server.find("configmaps", "demo-live")["data"]["config.json"])
    assert (live["generation"], live["batch_size"], live["max_sessions"]) == (2, 5, 7)
    assert api_server.find("asrservices", "demo")["status"]["batchSize"] == {"desired": 5}


async def test_a_change_is_not_called_complete_before_the_cluster_has_seen_it(
    api_server, asr_service, run
):
    asr_service()
    await run()
    running = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    set_status(api_server, "deployments", "demo", running)
    await run()
    assert reasons(api_server)["Progressing"] == "RolloutComplete"
    asr_service(runtime={"dtype": "float16"})
    await run()
    assert reasons(api_server)["Progressing"] == "RollingOut"
    assert reasons(api_server)["Ready"] == "Serving"


@pytest.mark.parametrize("plural", CHILDREN)
async def test_a_deleted_child_comes_back(api_server, asr_service, run, plural):
    asr_service()
    await run()
    (child,) = api_server.all(plural)
    api_server.delete(plural, child["metadata"]["name"])
    assert plural in (await run())[1]
    assert len(api_server.all(plural)) == 1


@pytest.mark.parametrize("plural", CHILDREN)
async def test_an_edited_child_is_put_right(api_server, asr_service, run, plural):
    asr_service()
    await run()
    (child,) = api_server.all(plural)
    labels = {**child["metadata"]["labels"], "app.kubernetes.io/name": "by-hand"}
    api_server.put({**child, "metadata": {**child["metadata"], "labels": labels}})
    assert await run() == (Outcome.DONE, [plural])
    (child,) = api_server.all(plural)
    assert child["metadata"]["labels"]["app.kubernetes.io/name"] == "asr-server"


async def test_a_paused_service_is_watched_but_not_changed(api_server, asr_service, run):
    asr_service()
    await run()
    asr_service(replicas=3, annotations={"asr-operator.dev/pause": "true"})
    outcome, writes = await run()
    assert outcome is Outcome.DONE
    assert writes == ["asrservices/status", "events"]
    assert reasons(api_server)["Progressing"] == "Paused"
    asr_service(replicas=3)
    assert "deployments" in (await run())[1]


async def test_somebody_elses_object_is_not_touched(api_server, asr_service, run):
    foreign = {"kind": "Service", "metadata": {"name": "demo"}, "spec": {"ports": []}}
    before = api_server.put(foreign)
    asr_service()
    outcome, writes = await run()
    assert outcome is Outcome.RETRY
    assert set(writes) == {"asrservices/status", "events"}
    assert api_server.find("services", "demo") == before
    assert reasons(api_server)["Ready"] == "NameTaken"
    api_server.delete("services", "demo")
    assert (await run())[0] is Outcome.DONE
    assert reasons(api_server)["Ready"] == "Starting"


@pytest.mark.parametrize(
    ("status", "spec_valid", "progressing"),
    [
        (422, "RefusedByKubernetes", "SpecInvalid"),
        (403, "Valid", "ChangeRefused"),
        (500, "Valid", "ChangeRefused"),
    ],
)
async def test_a_child_that_kubernetes_refuses_is_told_and_tried_again(
    api_server, asr_service, run, refused, status, spec_valid, progressing
):
    asr_service()
    api_server.refuse("PATCH", "deployments", refused(status, "must be less than cpu limit"))
    assert (await run())[0] is Outcome.RETRY
    assert reasons(api_server)["SpecValid"] == spec_valid
    assert reasons(api_server)["Progressing"] == progressing
    assert len(api_server.all("services")) == 1
    api_server.refuse("PATCH", "deployments", None)
    assert (await run())[0] is Outcome.DONE
    assert reasons(api_server)["SpecValid"] == "Valid"


@pytest.mark.parametrize("status", [409, 429, 503])
@pytest.mark.parametrize(
    ("method", "plural"), [("GET", "pods"), ("PATCH", "services"), ("POST", "events")]
)
async def test_what_passes_is_left_to_another_attempt(
    api_server, asr_service, run, refused, method, plural, status
):
    asr_service()
    api_server.refuse(method, plural, refused(status))
    if (method, status) == ("POST", 409):
        assert (await run())[0] is Outcome.DONE
    else:
        with pytest.raises(client.ApiError, match=str(status)):
            await run()
    api_server.refuse(method, plural, None)
    assert (await run())[0] is Outcome.DONE
    assert await run() == (Outcome.DONE, [])


async def test_an_object_that_appears_meanwhile_is_not_taken_over(
    api_server, asr_service, reconciler, cluster, monkeypatch
):
    """Between the look and the apply, somebody else makes a Service of that name."""
    asr_service()
    apply = cluster.apply

    async def apply_late(path, manifest, *, force):
        if manifest["kind"] == "Service":
            api_server.put({"kind": "Service", "metadata": {"name": "demo"}, "spec": {}})
        return await apply(path, manifest, force=force)

    monkeypatch.setattr(cluster, "apply", apply_late)
    with pytest.raises(client.ApiError, match="409"):
        await reconciler.reconcile(KEY)
    assert "ownerReferences" not in api_server.find("services", "demo")["metadata"]


async def test_a_status_is_not_written_over_a_newer_service(
    api_server, asr_service, reconciler, cluster, monkeypatch
):
    asr_service()
    apply = cluster.apply

    async def apply_late(path, manifest, *, force):
        if path.endswith("/status"):
            asr_service(replicas=5)
        return await apply(path, manifest, force=force)

    monkeypatch.setattr(cluster, "apply", apply_late)
    with pytest.raises(client.ApiError, match="409"):
        await reconciler.reconcile(KEY)
    assert "status" not in api_server.find("asrservices", "demo")


async def test_a_service_that_is_gone_is_forgotten(run):
    assert await run() == (Outcome.GONE, [])


async def test_a_service_that_is_being_deleted_is_left_to_the_garbage_collector(
    api_server, asr_service, run
):
    service = asr_service()
    metadata = {**service["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    api_server.put({**service, "metadata": metadata})
    assert await run() == (Outcome.GONE, [])


async def test_a_namespace_that_is_being_deleted_is_left_alone(
    api_server, asr_service, run, refused
):
    asr_service()
    refusal = refused(403, "is being terminated", "NamespaceTerminating")
    api_server.refuse("PATCH", "configmaps", refusal)
    assert await run() == (Outcome.GONE, [])


@pytest.mark.parametrize("reply_lost", [False, True])
@pytest.mark.parametrize("survived", range(5))
async def test_a_reconcile_that_was_cut_off_is_completed_by_the_next(
    api_server, asr_service, reconciler, run, dying_after, survived, reply_lost
):
    """The operator may die before any of its writes, or before it learns what came of one."""
    asr_service()
    with dying_after(survived, reply_lost=reply_lost):
        await reconciler.reconcile(KEY)
    assert (await run())[0] is Outcome.DONE
    assert [len(api_server.all(plural)) for plural in CHILDREN] == [1, 1, 1, 1]
    assert reasons(api_server)["Ready"] == "Starting"
    assert await run() == (Outcome.DONE, [])


async def test_failures_of_pods_reach_the_status(api_server, asr_service, run):
    asr_service()
    await run()
    labels = api_server.find("deployments", "demo")["spec"]["template"]["metadata"]["labels"]
    ended = {"exitCode": 1, "reason": "Error", "message": "no asr folder"}
    container = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    api_server.put(
        {
            "kind": "Pod",
            "metadata": {"name": "demo-1-a", "labels": labels},
            "status": {"containerStatuses": [{**container, "lastState": {"terminated": ended}}]},
        }
    )
    await run()
    status = api_server.find("asrservices", "demo")["status"]
    assert reasons(api_server)["ModelReady"] == "ModelFailed"
    assert "no asr folder" in status["lastFailure"]["message"]
    assert "Warning" in {event["type"] for event in api_server.all("events")}


@pytest.fixture
def waiting_pod(api_server, asr_service, run):
    """A service with a certificate whose server serves, while the next waits for its Secret."""

    async def make():
        asr_service()
        await run()
        asr_service(service={"tls": {"secretName": "cert"}})
        running = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}
        set_status(api_server, "deployments", "demo", running)
        labels = api_server.find("deployments", "demo")["spec"]["template"]["metadata"]["labels"]
        old = {"name": "demo-1-a", "labels": labels | {"pod-template-hash": "1"}}
        ready = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": TIME}]}
        api_server.put({"kind": "Pod", "metadata": old, "status": ready})
        new = {"name": "demo-2-a", "labels": labels | {"pod-template-hash": "2"}}
        preparing = {"PodScheduled": "True", "PodReadyToStartContainers": "False"}
        conditions = [{"type": type_, "status": status} for type_, status in preparing.items()]
        return api_server.put(
            {
                "kind": "Pod",
                "metadata": new | {"creationTimestamp": TIME},
                "spec": {"volumes": [{"name": "tls"}]},
                "status": {"conditions": conditions},
            }
        )

    return make


def tell_of_volume(api_server, pod):
    about = {"kind": "Pod", "uid": pod["metadata"]["uid"]}
    cause = 'MountVolume.SetUp failed for volume "tls" : secret "cert" not found'
    for name, uid in (("told", about["uid"]), ("of-another", "uid-other")):
        told = {"metadata": {"name": name}, "involvedObject": about | {"uid": uid}}
        message = cause if name == "told" else "of another pod"
        event = {"kind": "Event", "reason": "FailedMount", "message": message}
        api_server.put(event | told | {"lastTimestamp": TIME})


async def test_a_secret_that_is_missing_is_told_while_the_previous_servers_serve(
    api_server, run, waiting_pod
):
    tell_of_volume(api_server, await waiting_pod())
    await run()
    status = api_server.find("asrservices", "demo")["status"]
    assert reasons(api_server)["ModelReady"] == "SecretMissing"
    assert reasons(api_server)["Ready"] == "ServingPreviousVersion"
    assert status["lastFailure"]["message"].startswith(
        'A server pod waits for a Secret: secret "cert" not found. Create it'
    )
    assert "SecretMissing" in {event["reason"] for event in api_server.all("events")}
    # Who serves has no certificate, so clients must not be told to ask for one.
    assert status["url"].startswith("ws://")
    assert "appProtocol" not in api_server.find("services", "demo")["spec"]["ports"][0]
    assert await run() == (Outcome.DONE, [])


async def test_a_pod_that_was_evicted_while_it_waited_is_not_asked_about(
    api_server, run, waiting_pod, refused, caplog
):
    evicted = await waiting_pod()
    evicted["status"] |= {"phase": "Failed", "reason": "Evicted"}
    tell_of_volume(api_server, api_server.put(evicted))
    # A request would be told of.
    api_server.refuse("GET", "events", refused(500))
    await run()
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(("status", "logged"), [(403, 0), (429, 1), (500, 1)])
async def test_an_operator_that_cannot_read_events_works_all_the_same(
    api_server, run, waiting_pod, refused, caplog, status, logged
):
    tell_of_volume(api_server, await waiting_pod())
    api_server.refuse("GET", "events", refused(status))
    assert (await run())[0] is Outcome.DONE
    assert reasons(api_server)["ModelReady"] == "NoServer"
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.service for record in warnings] == ["speech/demo"] * logged


@pytest.mark.parametrize(
    ("error", "level", "told", "counted"),
    [
        (client.ApiError(409, "modified"), "DEBUG", "409: modified", 0),
        (client.ApiError(500, "broken"), "WARNING", "failed: 500: broken", 1),
        (TimeoutError(), "WARNING", "failed: timed out", 1),
        (aiohttp.ClientError(), "WARNING", "failed: ClientError", 1),
        (KeyError("bug"), "ERROR", "failed", 1),
    ],
)
def test_failed_reconciles_are_told_and_counted(
    reconciler, measured, caplog, error, level, told, counted
):
    caplog.set_level("DEBUG")
    reconciler.record_failure(KEY, error)
    assert [record.levelname for record in caplog.records] == [level]
    assert caplog.records[0].service == "speech/demo"
    assert caplog.records[0].getMessage().endswith(told)
    total = measured.registry.get_sample_value("asr_operator_reconcile_errors_total")
    assert total == counted


async def test_reconciles_are_timed(asr_service, run, measured):
    asr_service()
    await run()
    count = measured.registry.get_sample_value("asr_operator_reconcile_seconds_count")
    assert count == 1
