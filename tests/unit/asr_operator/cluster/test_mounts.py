import pytest

from asr_operator.cluster import mounts

NO_CERTIFICATE = 'MountVolume.SetUp failed for volume "tls" : secret "cert" not found'
NO_TOKENS = 'MountVolume.SetUp failed for volume "auth" : secret "tokens" not found'
SUMMARY = "Unable to attach or mount volumes: unmounted volumes=[tls]: context deadline exceeded"


def event(message, time="2026-01-01T12:00:00Z"):
    return {"message": message, "lastTimestamp": time}


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
        ([{"message": NO_TOKENS, "eventTime": "2026-01-01T12:00:00.000001Z"}], NO_TOKENS),
    ],
)
def test_what_the_kubelet_says_last_is_the_cause(events, told):
    assert mounts.read_failure(events) == told
