"""What is read from answers that no real Prometheus gives on demand."""

import math

import pytest

from asr_operator.api.names import Reason
from asr_operator.cluster import load_rows, load_sample
from asr_operator.cluster.answers import Labels, PrometheusError, Row
from asr_operator.cluster.queries import Query, Windows
from asr_operator.state.load import LoadQuestion, PodLoad

KEY = ("speech", "demo")
SENTINEL = "9.223372036854776e+18"
AT, PROMETHEUS_AT = 1000.0, 5000.0


def row(value, **labels):
    names = {"asr_namespace": KEY[0], "asr_service": KEY[1]}
    return Row(Labels(**{**names, **labels}), (PROMETHEUS_AT, str(value)))


def answers(**rows):
    """Answers with the rows given by query; by default pod a was scraped just now."""
    rows = {"pods": [row(PROMETHEUS_AT, asr_pod="a")], **rows}
    tables = {query: load_rows.index_rows(query, rows.get(query, ())) for query in Query}
    return load_rows.Answers(AT, PROMETHEUS_AT, Windows(60, 120), tables)


def build(question=LoadQuestion(), now=AT, **rows):  # noqa: B008
    return load_sample.build_load(KEY, question, answers(**rows), now)


def test_what_is_absent_is_unknown():
    assert build() == load_sample.LoadSample(AT, 60, (PodLoad("a", 0.0),))


def test_other_services_are_not_seen():
    sample = build(received_audio=[row(3, asr_pod="a", asr_service="other")])
    assert sample.demand_audio_ratio is None


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-1", SENTINEL])
@pytest.mark.parametrize(
    ("query", "labels", "field"),
    [
        ("duty", {}, "duty_ratio"),
        ("received_audio", {}, "demand_audio_ratio"),
        ("gauges", {"metric": "asr_sessions", "state": "idle"}, "sessions"),
        ("gauges", {"metric": "asr_session_limit"}, "session_limit"),
        ("gauges", {"metric": "asr_config_generation"}, "config_generation"),
        ("gauges", {"metric": "asr_batch_size_limit"}, "batch_size_limit"),
    ],
)
def test_nonsense_of_a_pod_is_unknown(query, labels, field, text):
    def read(value):
        return getattr(build(**{query: [row(value, asr_pod="a", **labels)]}).pods[0], field)

    assert read(7) == 7
    assert read(text) is None


@pytest.mark.parametrize("text", ["NaN", "-1", SENTINEL])
def test_one_state_without_sense_makes_the_sessions_unknown(text):
    gauge = {"asr_pod": "a", "metric": "asr_sessions"}
    sample = build(gauges=[row(2, **gauge, state="idle"), row(text, **gauge, state="speaking")])
    assert sample.pods[0].sessions is None


def test_refused_sessions_ask_for_a_mean_input_each():
    sample = build(
        received_audio=[row(30, asr_pod="a")],
        received_inputs=[row(5, asr_pod="a")],
        refused=[row(2, asr_pod="a")],
        peak_audio=[row(35)],
    )
    assert sample.demand_audio_ratio == 30 + 2 * 6
    assert sample.demand_peak_ratio == 42
    assert sample.refused_per_s == 2


@pytest.mark.parametrize(
    ("duty", "demand"),
    [
        ({}, 72),
        ({"a": 0.5}, 72),
        ({"a": 0.4}, 60),
        ({"a": 0.9, "b": 0.2}, 72),
        ({"a": 0.9, "b": 0.0}, 60),
        ({"a": 1.7, "b": 0.0}, 72),
        ({"a": 0.4, "c": 1.0}, 60),
    ],
    ids=["unknown", "busy", "idle", "busy together", "one idle", "beyond 1", "a stale pod is busy"],
)
def test_who_is_refused_beside_idle_engines_is_counted_where_he_is_received(duty, demand):
    ages = {"a": 0, "b": 0, "c": 1000}
    sample = build(
        pods=[row(PROMETHEUS_AT - ages[pod], asr_pod=pod) for pod in {"a", *duty}],
        duty=[row(ratio, asr_pod=pod) for pod, ratio in duty.items()],
        received_audio=[row(30, asr_pod="a")],
        received_inputs=[row(5, asr_pod="a")],
        refused=[
            row(5, asr_pod="a", reason="full"),
            row(2, asr_pod="a", reason="overloaded"),
            row("NaN", asr_pod="a", reason="odd"),
        ],
    )
    assert (sample.demand_audio_ratio, sample.refused_per_s) == (demand, 7)
    assert sample.pods[0].demand_audio_ratio == demand


def test_refused_sessions_ask_for_nothing_known_where_nothing_was_let_in():
    nothing = [row(0, asr_pod="a")]
    sample = build(received_audio=nothing, received_inputs=nothing, refused=[row(2, asr_pod="a")])
    assert (sample.demand_audio_ratio, sample.refused_per_s) == (0, 2)


def test_a_stale_pod_has_an_age_and_adds_nothing():
    both = {"received_audio": [row(3, asr_pod="a"), row(5, asr_pod="b")]}
    seen = [row(PROMETHEUS_AT - 10, asr_pod="a"), row(PROMETHEUS_AT - 91, asr_pod="b")]
    sample = build(pods=seen, **both)
    assert sample.pods == (PodLoad("a", 10, demand_audio_ratio=3), PodLoad("b", 91))
    assert sample.demand_audio_ratio == 3


def test_answers_age_until_they_are_read():
    assert build(now=AT + 90).pods[0].age_s == 90
    found = build(now=AT + 91)
    assert found.reason == Reason.SERIES_STALE
    assert build(LoadQuestion(stale_s=100), now=AT + 91).pods[0].age_s == 91


def test_a_service_that_nothing_is_known_of_is_missing():
    found = build(pods=[])
    assert found.reason == Reason.SERIES_MISSING
    assert "speech/demo" in found.message


def test_bounds_are_numbers_however_they_are_spelled():
    spelled = [row(1, le="1"), row(1, le="1.0"), row(9, le="much"), row("NaN", le="2")]
    sample = build(final_latency=[*spelled, row(4, le="+Inf")])
    assert sample.finals == 4 * 60
    assert build(LoadQuestion(quantile=0.5), final_latency=spelled).final_latency_s is None
    assert build(LoadQuestion(quantile=0.5), queue_wait=[*spelled, row(4, le="+Inf")]) == (
        build(queue_wait=[row(2, le="1"), row(4, le="+Inf")], question=LoadQuestion(quantile=0.5))
    )


@pytest.mark.parametrize(
    ("objective_s", "late_ratio"), [(0.5, 0.75), (1, 0.5), (1.5, 0.375), (2, 0.25), (2.5, 0)]
)
def test_the_share_of_late_finals_is_that_beyond_the_objective(objective_s, late_ratio):
    buckets = [row(2, le="0.5"), row(4, le="1"), row(6, le="2"), row(8, le="+Inf")]
    sample = build(LoadQuestion(objective_s=objective_s), final_latency=buckets)
    assert sample.late_ratio == pytest.approx(late_ratio)
    assert build(LoadQuestion(objective_s=objective_s)).late_ratio is None


def test_a_stage_is_known_when_all_of_it_is():
    def stage(name, value):
        return row(value, stage=name)

    both = {
        query: [stage("asr", value), stage("vad", 0)]
        for query, value in {"batches": 2, "batch_items": 8, "batch_audio": 40}.items()
    }
    sample = build(**both, batch_busy=[stage("asr", 0.5), stage("vad", 0)])
    asr, vad = sample.stages
    assert (asr.batches_per_s, asr.items_per_s, asr.padded_audio_ratio) == (2, 8, 40)
    assert (asr.busy_ratio, asr.size_bound_ratio) == (0.5, 0)
    assert vad.size_bound_ratio == 0
    sample = build(**both, batch_busy=[stage("asr", "NaN")])
    assert sample.stages == ()
    full = build(**both, batch_busy=[stage("asr", 0.5)], batches_by_size=[stage("asr", 1.5)]).stages
    assert full[0].size_bound_ratio == 0.75


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row("much")], "duty: could not convert"),
        ([row(1, asr_namespace="")], "duty: there are rows without asr_namespace"),
        ([row(1, asr_service="")], "duty: there are rows without"),
    ],
)
def test_rows_that_are_not_what_was_asked_for_are_an_error(rows, complaint):
    with pytest.raises(PrometheusError, match=complaint) as raised:
        load_rows.index_rows(Query.DUTY, rows)
    assert raised.value.reason == Reason.ANSWER_MALFORMED


@pytest.mark.parametrize(
    ("value", "known"),
    [(0.0, True), (1e14, True), (1e15, False), (-0.1, False), (math.nan, False)],
)
def test_what_can_be_a_value_of_ours(value, known):
    assert load_rows.is_known(value) is known
