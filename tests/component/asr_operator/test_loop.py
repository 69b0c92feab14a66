"""The loop against an API server: a load in, writes, records and events out.

The load comes from a source that says what a test wants; the autoscaler is the real one.
"""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from asr_operator import metrics, reconcile
from asr_operator.api import status
from asr_operator.api.names import Reason
from asr_operator.cluster.ticks import Ticks
from asr_operator.cluster.work_queue import Outcome
from asr_operator.state.load import LoadSample, NoLoad, PodLoad
from asr_operator.state.policy import ServerPolicy

KEY = ("speech", "demo")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUICK = {
    "intervalSeconds": 15,
    "scaleDown": {"stabilizationWindowSeconds": 60, "periodSeconds": 15, "maxPercent": 100},
}
AUTO = {"mode": "Auto", "minReplicas": 1, "maxReplicas": 4, "behavior": QUICK}


class Fleet:
    """The clock, the pods that a Deployment would run, and the load that Prometheus would know."""

    def __init__(self, api_server):
        self.api_server = api_server
        self.now = NOON
        self.sessions = {}
        self.known = True
        self.generation = None
        self.batch_size = 16

    def read(self, key, question):
        if not self.known:
            return NoLoad(self.now.timestamp(), Reason.PROMETHEUS_TIMED_OUT, "See why")
        pods = tuple(
            PodLoad(
                name,
                1.0,
                sessions=float(sessions),
                session_limit=10.0,
                demand_audio_ratio=0.0,
                duty_ratio=0.1,
                config_generation=self.generation or self.config["generation"],
                batch_size_limit=self.batch_size,
            )
            for name, sessions in self.sessions.items()
        )
        return LoadSample(
            self.now.timestamp(), 60.0, pods, demand_audio_ratio=0.0, demand_peak_ratio=0.0,
            refused_per_s=0.0, finals=0.0,
        )  # fmt: skip

    def read_history(self, key):
        return ()

    @property
    def deployment(self):
        return self.api_server.find("deployments", "demo")

    @property
    def config(self):
        stored = self.api_server.find("configmaps", "demo-live")
        return json.loads(stored["data"]["config.json"])

    def run(self, **sessions):
        """Have exactly these pods, ready for a long time, with so many sessions."""
        for pod in self.api_server.all("pods"):
            self.api_server.delete("pods", pod["metadata"]["name"])
        self.sessions = sessions
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}
        for name in sessions:
            self.api_server.put(
                {
                    "kind": "Pod",
                    "metadata": {"name": name, "labels": {**labels, "pod-template-hash": "1"}},
                    "status": {
                        "conditions": [ready],
                        "containerStatuses": [{"state": {"running": {}}}],
                    },
                }
            )
        counts = ("replicas", "updatedReplicas", "readyReplicas")
        status_ = dict.fromkeys(counts, len(sessions)) | {"observedGeneration": 99}
        self.api_server.put({**self.deployment, "status": status_})


@pytest.fixture
def fleet(api_server):
    return Fleet(api_server)


@pytest.fixture
def measured():
    return metrics.OperatorMetrics()


@pytest.fixture
def start(cluster, fleet, measured):
    """Start an operator."""

    def make():
        policy = ServerPolicy(image="registry.example/asr-server:1")
        return reconcile.Reconciler(cluster, policy, Ticks(fleet), measured, lambda: fleet.now)

    return make


@pytest.fixture
def run(start, fleet, api_server):
    """Reconcile every 15 seconds so often; return all that was written."""
    reconciler = start()

    async def ticks(count=1):
        api_server.writes.clear()
        for _ in range(count):
            result = await reconciler.reconcile(KEY)
            assert result.outcome is Outcome.DONE
            fleet.now += timedelta(seconds=15)
        return [plural for _, plural in api_server.writes]

    return ticks


@pytest.fixture
async def crowded(asr_service, api_server, fleet, run):
    """A service in mode Auto whose one server has ten times the sessions that it should."""
    asr_service(runtime={"device": "cpu", "maxSessions": 10}, autoscaling=AUTO)
    await run()
    fleet.run(a=10)
    api_server.writes.clear()


def stored_status(api_server):
    return api_server.find("asrservices", "demo")["status"]


def records(api_server, knob="replicas"):
    history = stored_status(api_server).get("scalingHistory", [])
    return [(each["from"], each["to"]) for each in history if each["knob"] == knob]


def conditions(api_server):
    found = stored_status(api_server)["conditions"]
    return {each["type"]: f"{each['status']}/{each['reason']}" for each in found}


def annotation(api_server, pod, name):
    return api_server.find("pods", pod)["metadata"].get("annotations", {}).get(name)


async def test_a_new_service_in_mode_auto_starts_with_the_fewest_replicas(
    api_server, asr_service, fleet, run
):
    asr_service(replicas=7, autoscaling={**AUTO, "minReplicas": 2})
    await run()
    assert fleet.deployment["spec"]["replicas"] == 2
    assert records(api_server) == []
    assert "OutOfBounds" not in str(stored_status(api_server))


async def test_a_schedule_holds_from_its_first_minute_to_its_last_and_is_told(
    api_server, asr_service, fleet, run
):
    window = {"name": "noon", "timeZone": "Europe/Berlin", "from": "13:01", "to": "13:02"}
    asr_service(autoscaling={**AUTO, "schedules": [{**window, "minReplicas": 3}]})
    told = []
    for _ in range(12):
        await run()
        fleet.run(**{f"pod-{n}": 0 for n in range(fleet.deployment["spec"]["replicas"])})
        bounds = stored_status(api_server)["bounds"]
        assert bounds["minReplicas"] == (3 if bounds["schedules"] else 1)
        if not told or bounds != told[-1]:
            told.append(bounds)
    assert [(each["schedules"], each["until"]) for each in told] == [
        ([], "2026-01-01T12:01:00Z"),
        (["noon"], "2026-01-01T12:02:00Z"),
        ([], "2026-01-02T12:01:00Z"),
    ]
    raised, *lowered = stored_status(api_server)["scalingHistory"]
    assert (raised["reason"], raised["from"], raised["to"]) == ("BoundsScheduled", 1, 3)
    assert raised["time"] == "2026-01-01T12:01:00Z"
    assert raised["inputs"]["schedule"] == "noon"
    assert [(each["reason"], each["to"]) for each in lowered] == [("LoadFell", 1)]


async def test_replicas_follow_the_load_and_each_change_is_told(
    api_server, fleet, run, crowded, measured
):
    writes = await run(5)
    grown = fleet.deployment["spec"]["replicas"]
    assert grown > 1
    history = records(api_server)
    assert history[0][0] == 1
    assert history[-1][1] == grown
    assert writes.count("deployments") == len(history)
    told = [event for event in api_server.all("events") if "replicas from" in event["message"]]
    assert len(told) == len(history)
    assert conditions(api_server)["ScalingActive"].startswith("True/")
    samples = measured.registry.collect()
    counted = {
        sample.labels["direction"]: sample.value
        for family in samples
        for sample in family.samples
        if sample.name == "asr_operator_decisions_total"
    }
    assert counted == {"up": len(history)}
    labels = {"asr_namespace": "speech", "asr_service": "demo"}
    desired = measured.registry.get_sample_value("asr_operator_desired_replicas", labels)
    assert desired == grown


async def test_servers_with_few_sessions_are_the_first_to_go(api_server, fleet, run, crowded):
    await run(3)
    count = fleet.deployment["spec"]["replicas"]
    fleet.run(**{f"pod-{number}": number == 0 for number in range(count)})
    writes = await run(30)
    assert fleet.deployment["spec"]["replicas"] == 1
    cost = "controller.kubernetes.io/pod-deletion-cost"
    assert annotation(api_server, "pod-0", cost) == "1"
    assert annotation(api_server, "pod-1", cost) is None
    assert writes.index("pods") < writes.index("deployments")
    assert writes.count("pods") == 1


async def test_a_service_in_mode_auto_with_nothing_to_do_is_left_in_peace(asr_service, fleet, run):
    batching = {"mode": "Auto", "size": 4, "minSize": 4}
    asr_service(autoscaling=AUTO, batching=batching)
    await run()
    fleet.run(a=0)
    await run(4)
    assert await run(20) == []


async def test_a_service_under_a_steady_load_is_left_in_peace(asr_service, fleet, run):
    asr_service(autoscaling=AUTO)
    await run()
    fleet.run(a=3)
    await run(6)
    assert await run(20) == []


@pytest.mark.parametrize("reply_lost", [False, True])
@pytest.mark.parametrize("survived", [0, 1])
async def test_an_operator_that_dies_neither_loses_nor_doubles_a_record(
    api_server, fleet, run, crowded, start, dying_after, survived, reply_lost
):
    """It dies at the write of the Deployment, or of the status after it."""
    with dying_after(survived, reply_lost=reply_lost):
        await start().reconcile(KEY)
    another = start()
    for _ in range(6):
        fleet.now += timedelta(seconds=15)
        await another.reconcile(KEY)
    grown = fleet.deployment["spec"]["replicas"]
    history = records(api_server)
    assert grown > 1
    assert history[0][0] == 1
    assert history[-1][1] == grown
    assert all(before[1] == after[0] for before, after in itertools.pairwise(history))
    assert len(history) == len(set(history))


async def test_a_change_that_kubernetes_refuses_is_not_recorded(
    api_server, fleet, start, crowded, refused
):
    api_server.refuse("PATCH", "deployments", refused(403, "exceeded quota"))
    reconciler = start()
    for _ in range(3):
        fleet.now += timedelta(seconds=15)
        assert (await reconciler.reconcile(KEY)).outcome is Outcome.RETRY
    assert records(api_server) == []
    api_server.refuse("PATCH", "deployments", None)
    fleet.now += timedelta(seconds=15)
    await reconciler.reconcile(KEY)
    assert len(records(api_server)) == 1


async def test_replicas_that_somebody_else_wrote_are_put_right(api_server, fleet, run, crowded):
    await run(3)
    wanted = fleet.deployment["spec"]["replicas"]
    history = records(api_server)
    spec = {**fleet.deployment["spec"], "replicas": 9}
    (entry,) = fleet.deployment["metadata"]["managedFields"]
    owned = {**entry["fieldsV1"], "f:spec": {**entry["fieldsV1"]["f:spec"]}}
    del owned["f:spec"]["f:replicas"]
    metadata = {
        **fleet.deployment["metadata"],
        "managedFields": [{**entry, "fieldsV1": owned}],
    }
    api_server.put({**fleet.deployment, "spec": spec, "metadata": metadata})
    fleet.now -= timedelta(seconds=14)
    assert "deployments" in await run()
    assert fleet.deployment["spec"]["replicas"] == wanted
    assert records(api_server) == history


async def test_in_mode_recommend_the_status_alone_says_what_would_be(
    api_server, asr_service, fleet, run
):
    asr_service(replicas=1, runtime={"maxSessions": 10}, autoscaling={**AUTO, "mode": "Recommend"})
    await run()
    fleet.run(a=10)
    writes = await run(8)
    assert "deployments" not in writes
    assert stored_status(api_server)["recommendation"]["replicas"] > 1
    assert records(api_server) == []


@pytest.mark.parametrize("mode", ["External", "Off"])
async def test_replicas_that_are_not_ours_to_decide_follow_the_spec(
    api_server, asr_service, fleet, run, mode
):
    autoscaling = {**AUTO, "mode": mode}
    asr_service(replicas=1, runtime={"maxSessions": 10}, autoscaling=autoscaling)
    await run()
    fleet.run(a=10)
    assert "deployments" not in await run(4)
    asr_service(replicas=3, runtime={"maxSessions": 10}, autoscaling=autoscaling)
    await run()
    assert fleet.deployment["spec"]["replicas"] == 3
    assert records(api_server) == [(1, 3)]
    assert stored_status(api_server)["scalingHistory"][0]["reason"] == "SpecChanged"


async def test_running_servers_are_told_of_a_new_batch_size_once(
    api_server, asr_service, fleet, run
):
    asr_service(batching={"size": 4})
    await run()
    fleet.run(a=0, b=0)
    await run()
    assert conditions(api_server)["BatchSizeApplied"] == "True/BatchSizeReported"
    assert annotation(api_server, "a", "asr-operator.dev/config-generation") is None

    fleet.generation = 1  # what the servers still report
    asr_service(batching={"size": 5})
    writes = await run()
    assert writes.count("pods") == 2
    assert annotation(api_server, "a", "asr-operator.dev/config-generation") == "2"
    assert conditions(api_server)["BatchSizeApplied"] == "False/BatchSizePending"

    fleet.generation, fleet.batch_size = None, 5
    writes = await run(4)
    assert "pods" not in writes
    assert conditions(api_server)["BatchSizeApplied"] == "True/BatchSizeReported"
    assert stored_status(api_server)["batchSize"] == {"desired": 5, "applied": 5}


async def test_a_server_that_lags_is_told_again_ever_more_rarely(
    api_server, asr_service, fleet, run
):
    asr_service(batching={"size": 4})
    await run()
    fleet.run(a=0)
    fleet.generation = 1
    asr_service(batching={"size": 5})
    api_server.time = status.render_time(fleet.now)
    told = [tick for tick in range(60) if "pods" in await run()]
    assert told[0] == 0
    gaps = [after - before for before, after in itertools.pairwise(told)]
    assert gaps == [1, 1, 2, 4, 8, 16]


@pytest.mark.parametrize("known", [True, False])
async def test_a_generation_never_comes_again(api_server, asr_service, fleet, run, known):
    asr_service(batching={"size": 4})
    await run()
    fleet.run(a=0)
    asr_service(batching={"size": 5})
    await run()
    api_server.delete("configmaps", "demo-live")
    fleet.generation, fleet.known = 2, known
    asr_service(batching={"size": 6})
    await run()
    assert fleet.config["generation"] == 3
    assert annotation(api_server, "a", "asr-operator.dev/config-generation") == "3"


async def test_a_pod_that_goes_while_it_is_told_stops_nothing(
    api_server, asr_service, fleet, run, refused
):
    asr_service(batching={"size": 4})
    await run()
    fleet.run(a=0, b=0)
    asr_service(batching={"size": 5})
    for status_ in (404, 403):
        api_server.refuse("PATCH", "pods", refused(status_))
        await run()
    assert annotation(api_server, "a", "asr-operator.dev/config-generation") is None
    api_server.refuse("PATCH", "pods", None)
    fleet.generation = 1
    await run()
    assert annotation(api_server, "a", "asr-operator.dev/config-generation") == "2"


async def test_when_prometheus_is_silent_nothing_is_scaled_and_that_is_told(
    api_server, fleet, run, crowded
):
    fleet.known = False
    assert "deployments" not in await run(4)
    found = conditions(api_server)
    assert found["MetricsAvailable"] == "False/PrometheusTimedOut"
    assert found["ScalingActive"] == "False/MetricsUnknown"
    assert found["BatchSizeApplied"] == "Unknown/PrometheusTimedOut"
    assert "load" not in stored_status(api_server)
    (warning,) = [event for event in api_server.all("events") if event["type"] == "Warning"]
    assert warning["reason"] == "PrometheusTimedOut"


async def test_an_operator_that_starts_writes_nothing_that_is_the_same(
    api_server, fleet, run, crowded, start
):
    await run(5)
    ask = fleet.read
    fleet.read = lambda key, question: NoLoad(0.0, Reason.NOT_SAMPLED_YET, "Wait")
    api_server.writes.clear()
    another = start()
    await another.reconcile(KEY)
    fleet.read = ask
    await another.reconcile(KEY)
    assert api_server.writes == []


async def test_a_load_that_changes_is_written_once_a_minute_at_most(
    api_server, asr_service, fleet, run
):
    asr_service()
    await run()
    fleet.run(a=0)
    await run(5)
    written = []
    for sessions in range(1, 21):
        fleet.sessions = {"a": 3 * sessions}
        written.append("asrservices/status" in await run())
    assert sum(written) == 5
    told_at = status.parse_time(stored_status(api_server)["load"]["time"])
    assert fleet.now - told_at <= timedelta(seconds=75)


async def test_a_paused_service_is_not_scaled_and_goes_on_reporting(
    api_server, asr_service, fleet, run, crowded
):
    service = api_server.find("asrservices", "demo")
    annotations = {"asr-operator.dev/pause": "true"}
    api_server.put({**service, "metadata": {**service["metadata"], "annotations": annotations}})
    assert set(await run(4)) == {"asrservices/status", "events"}
    found = conditions(api_server)
    assert found["ScalingActive"] == "False/Paused"
    assert found["MetricsAvailable"] == "True/MetricsFound"
    assert stored_status(api_server)["sessions"] == 10


async def test_a_service_that_is_gone_is_measured_no_more(api_server, crowded, measured, start):
    labels = {"asr_namespace": "speech", "asr_service": "demo"}
    name = "asr_operator_desired_replicas"
    assert measured.registry.get_sample_value(name, labels) == 1
    api_server.delete("asrservices", "demo")
    await start().reconcile(KEY)
    assert measured.registry.get_sample_value(name, labels) is None
