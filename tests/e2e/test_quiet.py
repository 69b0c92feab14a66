"""A service that nobody touches is left alone, also after a retune that its servers took over.

The length of the quiet window is `ASR_E2E_QUIET_SECONDS`. Before it, the status has to know the
new batch size where it was taken over, and to forget the last finals.
"""

import os
from datetime import UTC, datetime

import pytest

from harness import release, waiting

WINDOW_S = float(os.environ.get("ASR_E2E_QUIET_SECONDS", "60"))
KUBELET_S = 150
FORGOTTEN_S = 240  # until the last finals are out of the window, and the status says so


@pytest.fixture(scope="module")
def retuned(speech):
    """Change the batching, and return the pods that run."""
    speech.wait_ready()
    pods = speech.pod_uids()
    speech.patch({"batching": {"size": 9, "audioSeconds": 90, "maxWaitMilliseconds": 40}})
    waiting.wait_for(
        "a status that knows the new batch size",
        lambda: speech.status,
        lambda status: status["batchSize"]["desired"] == 9,
    )
    speech.wait_ready()
    return pods


@pytest.fixture(scope="module")
def window(retuned, speech):
    """Watch the service and its children for a while; return when that began and ended."""
    waiting.wait_for(
        "end of what is told of the last load",
        lambda: speech.status,
        is_settled,
        deadline_s=FORGOTTEN_S,
    )
    waiting.wait_until_still(
        "what the operator writes",
        lambda: (versions(speech), len(speech.namespace.find("Event"))),
        still_s=release.RESYNC_S / 2,
    )
    start = datetime.now(UTC)
    waiting.stays("a child", lambda: versions(speech), window_s=WINDOW_S)
    return start, datetime.now(UTC)


def is_settled(status):
    """Return whether the last batch size was taken over, and the last finals are forgotten."""
    (applied,) = [each for each in status["conditions"] if each["type"] == "BatchSizeApplied"]
    is_told = applied["status"] == "True" or applied["reason"] == "PrometheusNotConfigured"
    return is_told and "finalLatencyMilliseconds" not in status.get("load", {})


def versions(service):
    """Return the resource versions of the service and its children."""
    objects = [service.body, *service.children().values()]
    return {each["kind"]: each["metadata"]["resourceVersion"] for each in objects}


def test_service_and_children_stay_as_they_are_over_resyncs(window):
    start, end = window

    assert (end - start).total_seconds() > 2 * release.RESYNC_S


def test_operator_looks_and_changes_nothing_in_a_quiet_window(window, operator, audit_log):
    start, end = window

    calls = [
        call
        for call in audit_log.calls(operator.user)
        if start < call.at < end and call.namespace.startswith("e2e-")
    ]
    assert any(call.verb == "get" for call in calls)
    assert [call for call in calls if call.mutating] == []


def test_retune_reaches_the_running_pods(retuned, window, speech):
    (metrics,) = waiting.wait_for(
        "batch limit of 9",
        lambda: list(speech.metrics().values()),
        lambda found: [each.value("asr_batch_size_limit") for each in found] == [9],
        deadline_s=KUBELET_S,
    )

    assert metrics.value("asr_batch_audio_limit_seconds") == 90
    assert metrics.value("asr_max_wait_seconds") == pytest.approx(0.04)
    assert speech.pod_uids() == retuned
