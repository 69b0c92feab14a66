import pytest

from asr_operator.cluster import mounts

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
