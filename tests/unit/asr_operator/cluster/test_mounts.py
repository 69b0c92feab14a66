import aiohttp
import pytest

from asr_operator.cluster import client, mounts

NO_CERTIFICATE = 'MountVolume.SetUp failed for volume "tls" : secret "cert" not found'
NO_TOKENS = 'MountVolume.SetUp failed for volume "auth" : secret "tokens" not found'
SUMMARY = "Unable to attach or mount volumes: unmounted volumes=[tls]: context deadline exceeded"
OTHER_SUMMARY = SUMMARY.replace("tls", "auth")


def event(message, time="2026-01-01T12:00:00Z", count=1):
    return {"message": message, "lastTimestamp": time, "count": count}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], ""),
        ([event(NO_CERTIFICATE)], NO_CERTIFICATE),
        ([event(NO_CERTIFICATE), event(NO_TOKENS)], f"{NO_TOKENS}; {NO_CERTIFICATE}"),
        ([event(NO_TOKENS), event(NO_CERTIFICATE)], f"{NO_TOKENS}; {NO_CERTIFICATE}"),
        ([event(NO_CERTIFICATE), event(SUMMARY, "2026-01-01T12:02:00Z")], NO_CERTIFICATE),
        ([event(SUMMARY)], SUMMARY),
        # The first is there by now: only the second is still told.
        ([event(NO_CERTIFICATE), event(NO_TOKENS, "2026-01-01T12:05:00Z")], NO_TOKENS),
        # The kubelet's client lets few events of one pod through: silence does not end the cause.
        ([event(NO_CERTIFICATE), event(SUMMARY, "2026-01-01T12:50:00Z")], NO_CERTIFICATE),
        (
            [event(NO_CERTIFICATE, count=13), event(NO_TOKENS, "2026-01-01T12:15:00Z", count=12)],
            f"{NO_TOKENS}; {NO_CERTIFICATE}",
        ),
        (
            [event(NO_CERTIFICATE, count=13), event(NO_TOKENS, "2026-01-01T12:15:01Z", count=12)],
            NO_TOKENS,
        ),
        ([event(SUMMARY), event(OTHER_SUMMARY, "2026-01-01T12:05:00Z")], OTHER_SUMMARY),
        ([{"message": NO_TOKENS, "eventTime": "2026-01-01T12:00:00.000001Z"}], NO_TOKENS),
    ],
)
def test_what_the_kubelet_says_last_is_the_cause(events, told):
    assert mounts.read_failure(events) == told


class Events:
    """An API server that has only events, and keeps what it was asked for."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def get(self, path, query):
        self.asked.append((path, query["fieldSelector"]))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"items": self.answer}


def preparing(name="a", created="2026-01-01T00:00:00Z"):
    found = {"PodScheduled": "True", "PodReadyToStartContainers": "False"}
    conditions = [{"type": type_, "status": status} for type_, status in found.items()]
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": created}
    return {"metadata": metadata, "status": {"conditions": conditions}}


async def test_only_the_newest_pod_is_asked_about():
    cluster = Events([event(NO_TOKENS)])
    pods = [preparing("b"), preparing("a"), preparing("0", "2025-12-31T00:00:00Z")]
    assert await mounts.find_failures(cluster, "speech", "demo", pods) == {"b": NO_TOKENS}
    path = "/api/v1/namespaces/speech/events"
    assert cluster.asked == [(path, "involvedObject.uid=uid-b,reason=FailedMount")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (client.ApiError(403, "no"), []),
        (client.ApiError(500, "broken"), ["500: broken"]),
        (TimeoutError(), ["timed out"]),
        (aiohttp.ClientConnectionError("gone"), ["gone"]),
    ],
)
async def test_events_that_cannot_be_read_stop_nothing(caplog, error, told):
    assert await mounts.find_failures(Events(error), "speech", "demo", [preparing()]) == {}
    said = [f"cannot read the events of a server pod: {each}" for each in told]
    assert [record.getMessage() for record in caplog.records] == said
