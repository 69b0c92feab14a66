"""What Prometheus says becomes sessions that bring the same audio."""

import json
import math
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.kubectl import recording
from asr_operator.kubectl.recording import RecordingError, Span

SPAN = Span(1000.0, 4600.0)


def answer(*values):
    points = [[1060.0 + 60 * place, value] for place, value in enumerate(values)]
    return json.dumps({"data": {"result": [{"metric": {}, "values": points}]}}).encode()


def test_an_answer_is_read_by_time_without_what_is_no_number():
    assert recording.parse_matrix(answer("1.5", "NaN", "+Inf", "0")) == {1060.0: 1.5, 1240.0: 0.0}
    assert recording.parse_matrix(b'{"data": {"result": []}}') == {}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data": {"result": [{}]}}'])
def test_what_is_no_answer_says_what_to_check(body):
    with pytest.raises(RecordingError, match=r"--prometheus-url is not the API of a Prometheus"):
        recording.parse_matrix(body)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=30), st.floats(1, 600), st.integers(0, 9))
def test_sessions_bring_the_audio_that_came_when_it_came(rates, call_s, seed):
    demand = {SPAN.begin + 60.0 * (place + 1): rate for place, rate in enumerate(rates)}
    calls = recording.draw_calls(demand, call_s, SPAN, seed)
    for minute in range(len(rates)):
        until = 60.0 * (minute + 1)
        brought = math.fsum(call.audio_s for call in calls if call.start_s < until)
        arrived = 60.0 * math.fsum(rates[: minute + 1])
        assert arrived - call_s - 1e-6 <= brought <= arrived + 1e-6
    assert calls == sorted(calls, key=lambda call: call.start_s)
    assert all(0 <= call.start_s <= 60.0 * len(rates) for call in calls)


@pytest.mark.parametrize(("hours", "step_s"), [(0.1, 60), (83, 60), (84, 120), (168, 180)])
def test_a_long_time_is_asked_for_in_longer_steps(hours, step_s):
    span = Span(0.0, hours * 3600)
    assert span.step_s == step_s
    assert span.end / span.step_s <= recording.MOST_STEPS


@pytest.fixture
def record(monkeypatch):
    """Record a service whose counters have these rates all the time; `record.asked` says how."""

    def record(rates, span=SPAN):
        def ask(_, path):
            asked = urllib.parse.parse_qs(path.partition("?")[2])["query"][0]
            record.asked.append(asked)
            return answer(*[rates.get(re.match(r"\w+\(rate\((\w+)", asked)[1], "0")] * 3)

        monkeypatch.setattr(recording.Recorder, "_ask", ask)
        return recording.Recorder("http://p", None, "speech", "demo").read(span, 1)

    record.asked = []
    return record


def test_without_inputs_all_that_was_heard_is_one(record):
    found = record({"asr_received_audio_seconds_total": "0.5"})
    assert found.call_s == 3 * 0.5 * 60
    assert [call.audio_s for call in found.calls] == [90.0]


@pytest.mark.parametrize(("duty", "counted"), [("0.4", 0.5), ("0.6", 1.0)])
def test_who_was_refused_beside_idle_engines_is_in_what_was_received(record, duty, counted):
    found = record(
        {
            "asr_received_audio_seconds_total": "2",
            "asr_received_items_total": "1",
            "asr_refused_sessions_total": "0.5",  # for each of both reasons
            "asr_engine_busy_seconds_total": duty,
        }
    )
    brought = math.fsum(call.audio_s for call in found.calls)
    assert brought == pytest.approx(3 * 60 * (2 + counted * 2), abs=2)


@pytest.mark.parametrize(("hours", "window_s"), [(1, 240), (1000, 720)])
def test_rates_are_over_as_long_as_two_scrapes_take(record, hours, window_s):
    record({"asr_received_audio_seconds_total": "0.5"}, Span(0.0, hours * 3600.0))
    assert all(f"[{window_s}s]" in asked for asked in record.asked)


def test_more_sessions_than_can_be_simulated_are_counted_and_refused():
    demand = {1060.0: 100_000.0}
    with pytest.raises(RecordingError, match=r"about 3,000,000 sessions, and at most 2,000,000"):
        recording.draw_calls(demand, 2.0, SPAN, 1)


def test_a_round_has_its_share_of_the_work_of_all_stages(record):
    rates = {
        "asr_received_audio_seconds_total": "6",
        "asr_received_items_total": "2",
        "asr_batch_size_count": "0.5",
        "asr_batch_audio_seconds_sum": "5",
        "asr_batch_seconds_sum": "0.4",
    }
    model, asked = record(rates).model, record.asked
    assert (model.padded_s, model.busy_s) == (pytest.approx(10), pytest.approx(0.8))
    assert [query for query in asked if 'stage="asr"' in query] == [
        query for query in asked if "asr_batch_size" in query or "batch_audio" in query
    ]
    assert all('asr_namespace="speech", asr_service="demo"' in query for query in asked)
