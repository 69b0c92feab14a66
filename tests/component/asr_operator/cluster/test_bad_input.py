"""Bad input of every kind, and the condition that users see of it.

Prometheus, real or broken, is at one end and the status of a resource at the other; nothing between
them is replaced. Loads that ask for what cannot be come from a source that says so.
"""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from asr_operator import reconcile
from asr_operator.api.names import Reason
from asr_operator.cluster.ticks import Ticks
from asr_operator.state.load import LoadSample, PodLoad, StageLoad
from asr_operator.state.policy import ServerPolicy

LONG_AGO = "2026-01-01T00:00:00Z"
UNHURRIED = {"finalLatency": {"milliseconds": 10_000}}
DIGEST = "pod-template-hash"


class Service:
    """A service in mode Auto with ready servers, in an API server, under a reconciler."""

    def __init__(self, api_server, cluster, measured, source, clock):
        policy = ServerPolicy(image="registry.example/asr-server:1")
        self._api_server = api_server
        self._reconciler = reconcile.Reconciler(cluster, policy, Ticks(source), measured, clock)
        self.name = ""

    async def ask(self, name, servers, **spec):
        """Have a service with these servers, which have been ready for long."""
        self.name = name
        auto = {"mode": "Auto", "minReplicas": len(servers), "maxReplicas": 4}
        runtime = {"device": "cpu", "maxSessions": 100}
        body = {"autoscaling": auto, "batching": {"mode": "Auto", "size": 4}} | spec
        manifest = {
            "apiVersion": "asr-operator.dev/v1alpha1",
            "kind": "AsrService",
            "metadata": {"name": name},
            "spec": {"model": {"demo": {}}, "runtime": runtime} | body,
        }
        self._api_server.put(manifest)
        await self.reconcile()
        deployment = self._api_server.find("deployments", name)
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": LONG_AGO}
        for server in servers:
            metadata = {"name": server, "labels": {**labels, DIGEST: "1"}}
            status = {"conditions": [ready], "containerStatuses": [{"state": {"running": {}}}]}
            self._api_server.put({"kind": "Pod", "metadata": metadata, "status": status})
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), len(servers))
        self._api_server.put({**deployment, "status": counts | {"observedGeneration": 99}})

    async def reconcile(self):
        await self._reconciler.reconcile(("speech", self.name))

    def deny(self, message):
        """Have the ReplicaSets' controller say that no pod can be made."""
        deployment = self._api_server.find("deployments", self.name)
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
        conditions = [failure | {"message": message, "lastTransitionTime": LONG_AGO}]
        status = {**deployment["status"], "conditions": conditions}
        self._api_server.put({**deployment, "status": status})

    @property
    def status(self):
        return self._api_server.find("asrservices", self.name)["status"]

    @property
    def replicas(self):
        return self._api_server.find("deployments", self.name)["spec"]["replicas"]

    def condition(self, kind):
        (found,) = [each for each in self.status["conditions"] if each["type"] == kind]
        return f"{found['status']}/{found['reason']}"


@pytest.fixture
async def measure(api_server, cluster, measured, sampler):
    """Return the service as it is after a Prometheus at `url` was asked about it."""

    async def measure(url, name, servers, **given):
        source = sampler(url, **given)
        clock = lambda: datetime.now(UTC)  # noqa: E731
        service = Service(api_server, cluster, measured, source, clock)
        await service.ask(name, servers, objectives=UNHURRIED)
        await service.reconcile()
        await source.sample()
        await service.reconcile()
        return service

    return measure


@pytest.fixture
async def broken_url():
    """Serve what stands in for Prometheus, and answers every question in one way."""
    runners = []

    async def serve(answer):
        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def hang(request):
    await asyncio.Event().wait()


def say(status, body=None):
    async def answer(request):
        return web.json_response(body or {"error": "no"}, status=status)

    return answer


BROKEN = {
    "slow": (hang, "PrometheusTimedOut"),
    "400": (say(400), "QueryFailed"),
    "401": (say(401), "PrometheusRefused"),
    "404": (say(404), "PrometheusRefused"),
    "422": (say(422), "QueryFailed"),
    "500": (say(500), "PrometheusFailed"),
    "503": (say(503), "PrometheusFailed"),
    "nonsense": (say(200, {"status": "success"}), "AnswerMalformed"),
}


@pytest.mark.parametrize(("answer", "reason"), BROKEN.values(), ids=BROKEN)
async def test_prometheus_that_does_not_answer_as_it_should(measure, broken_url, answer, reason):
    patience_s = 0.2 if answer is hang else 20.0
    service = await measure(await broken_url(answer), "demo", ["a"], timeout_s=patience_s)
    assert service.condition("MetricsAvailable") == f"False/{reason}"
    assert service.condition("ScalingActive") == "False/MetricsUnknown"
    assert service.condition("SloMet") == "Unknown/NoFinals"
    assert service.replicas == 1


async def test_prometheus_that_is_down(measure):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        service = await measure(f"http://127.0.0.1:{unused.getsockname()[1]}", "demo", ["a"])
    assert service.condition("MetricsAvailable") == "False/PrometheusUnreachable"
    assert service.condition("ScalingActive") == "False/MetricsUnknown"


SERIES = {
    "NaN and sentinels of one server": ("lying", "ab", "False/SeriesMissing"),
    "a duty that cannot be": ("steady", "ab", "False/SeriesImplausible"),
    "a server that is not scraped": ("silent", "ab", "False/SeriesMissing"),
    "stale series": ("stale", "a", "False/SeriesStale"),
    "every series twice": ("doubled", "a", "True/MetricsFound"),
    "one address of two servers": ("claimed", "abc", "False/SeriesMissing"),
    "counters that start again": ("restarting", "a", "True/MetricsFound"),
    "no series at all": ("absent", "a", "False/SeriesMissing"),
}


@pytest.mark.parametrize(("name", "servers", "expected"), SERIES.values(), ids=SERIES)
async def test_series_that_are_not_as_they_should_be(
    measure, prometheus_url, name, servers, expected
):
    service = await measure(prometheus_url, name, list(servers))
    assert service.condition("MetricsAvailable") == expected
    assert service.replicas == len(servers)


async def test_series_that_come_twice_count_once(measure, prometheus_url):
    service = await measure(prometheus_url, "doubled", ["a"])
    assert service.status["sessions"] == 3
    assert float(service.status["load"]["demand"]) == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("skew_s", [-3600, 3600])
async def test_clocks_that_are_far_apart(measure, prometheus_url, skew_s):
    def clock():
        return datetime.now(UTC).timestamp() + skew_s

    service = await measure(prometheus_url, "steady", ["a", "b"], clock=clock)
    assert service.condition("MetricsAvailable") == "False/ClockSkew"


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK_S, ITEM_S = 15, 3.0
QUICK = {"batch": {"minSamples": 10}}


class Told:
    """A load that is told: demand in audio seconds per second, and how finals fare."""

    def __init__(self, servers):
        self.now = NOON
        self.servers = servers
        self.sessions = 3.0
        self.demand = 24.0
        self.final_s, self.wait_s, self.batch_s = 0.1, 0.02, 0.05
        self.items = 4.0

    def read(self, key, question):
        batches_per_s = self.demand / ITEM_S / self.items
        share = self.demand / len(self.servers)
        return LoadSample(
            at=self.now.timestamp(),
            window_s=60.0,
            pods=tuple(
                PodLoad(name, 1.0, self.sessions, 100.0, share, duty_ratio=0.5, batch_size_limit=4)
                for name in self.servers
            ),
            demand_audio_ratio=self.demand,
            demand_peak_ratio=self.demand,
            refused_per_s=0.0,
            finals=500.0,
            final_latency_s=self.final_s,
            queue_wait_s=self.wait_s,
            stages=(
                StageLoad(
                    stage="asr",
                    batches_per_s=batches_per_s,
                    items_per_s=self.demand / ITEM_S,
                    padded_audio_ratio=self.demand,
                    busy_ratio=batches_per_s * self.batch_s,
                    size_bound_ratio=1.0,
                ),
            ),
        )

    def read_history(self, key):
        return ()


@pytest.fixture
async def told(api_server, cluster, measured):
    """Make a service whose load is told, and a function that lets ticks go by."""

    async def make(servers, **spec):
        source = Told(servers)
        service = Service(api_server, cluster, measured, source, lambda: source.now)
        await service.ask("demo", servers, **spec)

        async def tick(count):
            for _ in range(count):
                source.now += timedelta(seconds=TICK_S)
                await service.reconcile()

        return service, source, tick

    return make


async def test_an_objective_that_nobody_can_meet(told):
    service, source, tick = await told(["a"], batching={"mode": "Fixed", "size": 4})
    source.final_s, source.wait_s, source.batch_s = 2.0, 0.05, 0.9
    source.demand = 2.0
    await tick(6)
    assert service.condition("SloMet") == "False/Unattainable"
    assert service.replicas == 1


async def test_bounds_that_are_equal(told):
    bounds = {"mode": "Auto", "minReplicas": 2, "maxReplicas": 2}
    batching = {"mode": "Auto", "size": 4, "minSize": 4, "maxSize": 4}
    service, source, tick = await told(["a", "b"], autoscaling=bounds, batching=batching)
    source.sessions = 100.0
    await tick(10)
    assert service.condition("ScalingLimited") == "True/MaxReplicasReached"
    assert service.condition("ScalingActive").startswith("True/")
    assert service.replicas == 2
    assert "scalingHistory" not in service.status


async def test_a_quota_that_is_used_up(told):
    service, source, tick = await told(["a"])
    source.sessions = 100.0
    await tick(1)
    asked = service.replicas
    assert asked > 1
    service.deny('pods "demo-x" is forbidden: exceeded quota: compute-resources')
    source.sessions = 300.0
    await tick(10)
    assert service.condition("CapacityAvailable") == "False/QuotaExceeded"
    assert service.condition("ScalingLimited") == "True/CapacityBlocked"
    assert service.replicas == asked


async def test_a_retune_that_makes_things_worse(told):
    behavior = {"behavior": QUICK, "mode": "Auto", "minReplicas": 1, "maxReplicas": 1}
    service, source, tick = await told(["a"], autoscaling=behavior)
    source.demand, source.final_s, source.wait_s = 200.0, 0.45, 0.3
    while "scalingHistory" not in service.status:
        await tick(1)
        assert source.now < NOON + timedelta(minutes=10)
    (raised,) = service.status["scalingHistory"]
    assert (raised["knob"], raised["reason"]) == ("batchSize", Reason.BATCH_TOO_SMALL)
    source.batch_s, source.final_s, source.wait_s = 0.4, 1.5, 0.1
    await tick(12)
    taken_back = service.status["scalingHistory"][-1]
    assert taken_back["reason"] == Reason.BATCH_ROLLED_BACK
    assert taken_back["to"] == raised["from"]
    assert service.status["batchSize"]["desired"] == raised["from"]
