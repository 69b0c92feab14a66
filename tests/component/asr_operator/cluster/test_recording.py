"""What the plugin reads of a real Prometheus: the load of one service, and how its batches ran."""

import math
import time

import pytest

from asr_operator.kubectl.recording import Recorder, RecordingError, Span


@pytest.fixture
def record(prometheus_url):
    def record(service, minutes=20.0):
        now = time.time()
        recorder = Recorder(prometheus_url, None, "speech", service)
        return recorder.read(Span(now - 60 * minutes, now), seed=1)

    return record


def test_the_load_of_a_service_is_what_it_received_and_what_it_refused(record):
    found = record("steady")
    # Two pods: 30 audio seconds and 4 inputs a second, and 0.5 refusals of a mean input each.
    assert found.call_s == pytest.approx(7.5, rel=0.05)
    brought = math.fsum(call.audio_s for call in found.calls)
    assert brought == pytest.approx(20 * 60 * (30 + 0.5 * 7.5), rel=0.06)


def test_batches_teach_how_long_they_take(record):
    model = record("steady").model
    assert model.points >= 18
    # 1 batch a second of 36 padded seconds, busy 2.1 s, all pods together.
    assert (model.padded_s, model.busy_s) == (
        pytest.approx(36, rel=0.1),
        pytest.approx(2.1, rel=0.1),
    )


@pytest.mark.parametrize("service", ["idle", "nobody", 'a"} or vector(1) #'])
def test_a_service_without_load_says_so(record, service):
    with pytest.raises(RecordingError, match="has no audio of speech/"):
        record(service)


def test_what_prometheus_refuses_is_told(prometheus_url):
    recorder = Recorder(f"{prometheus_url}/elsewhere", None, "speech", "steady")
    with pytest.raises(RecordingError, match="answers 404"):
        recorder.read(Span(0.0, 600.0), seed=1)
