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
    tables = {query: load_rows.index_rows(query, rows.get(query, ()), {}) for query in Query}
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
        ("sessions", {}, "sessions"),
        ("gauges", {"name": "asr_session_limit"}, "session_limit"),
        ("gauges", {"name": "asr_config_generation"}, "config_generation"),
        ("gauges", {"name": "asr_batch_size_limit"}, "batch_size_limit"),
    ],
)
def test_nonsense_of_a_pod_is_unknown(query, labels, field, text):
    def read(value):
        return getattr(build(**{query: [row(value, asr_pod="a", **labels)]}).pods[0], field)

    assert read(7) == 7
    assert read(text) is None


def test_a_pod_at_two_addresses_counts_once_and_one_that_two_claim_for_nobody():
    def named(instance, pod):
        return row(PROMETHEUS_AT, instance=instance, asr_pod=pod)

    def at(instance, value, **labels):
        return Row(Labels(instance=instance, **labels), (PROMETHEUS_AT, str(value)))

    pods = [named("1", "a"), named("2", "a"), named("3", "b"), named("3", "c"), named("4", "d")]
    places = load_rows.index_places(pods)
    rows = {
        Query.PODS: pods,
        Query.SESSIONS: [at("1", 3), at("2", 4), at("3", 5), at("4", 6), at("elsewhere", 7)],
        Query.RECEIVED_AUDIO: [at("1", 10), at("2", 11), at("4", 20)],
        Query.RECEIVED_INPUTS: [
            at("1", 1, item_class="file"),
            at("2", 1, item_class="file"),
            at("2", 2, item_class="final"),
        ],
        Query.REFUSED: [at("1", 1, reason="full"), at("2", 1, reason="full")],
        Query.BATCHES: [at("1", 2), at("2", 2), at("4", 2)],
    }
    tables = {query: load_rows.index_rows(query, found, places) for query, found in rows.items()}
    found = load_rows.Answers(AT, PROMETHEUS_AT, Windows(60, 120), tables)
    sample = load_sample.build_load(KEY, LoadQuestion(), found, AT)
    assert [pod.sessions for pod in sample.pods] == [4, None, None, 6]
    assert sample.refused_per_s == 1
    assert sample.demand_audio_ratio == 31 + 31 / 3
    assert load_rows.ServiceRows(KEY, found).add_up(Query.BATCHES) == 4


def test_rows_that_hide_who_is_where_are_an_error():
    with pytest.raises(PrometheusError, match="rows without instance"):
        load_rows.index_places([row(1, asr_pod="a")])


LIVE = {"final_latency": [row(1, le="1"), row(1, le="+Inf")], "queue_wait": [row(1, le="0.1")]}
LIVE["queue_wait"] += [row(1, le="+Inf")]
FILES = {"file_latency": [row(0, le="100"), row(9, le="+Inf")], "file_wait": [row(9, le="50")]}
FILES["file_wait"] += [row(9, le="+Inf")]
SILENT = {query: [row(0, le=each.metric.le) for each in rows] for query, rows in LIVE.items()}


@pytest.mark.parametrize(
    ("rows", "finals", "late_ratio", "queue_wait_s"),
    [
        (LIVE, 60, 0.5, 0.05),
        (LIVE | FILES, 60, 0.5, 0.05),
        (FILES, 540, 1.0, 25),
        (SILENT | FILES, 540, 1.0, 25),
        (SILENT, 0, None, None),
    ],
    ids=["live", "both", "files", "files and nobody speaks", "nobody speaks"],
)
def test_files_are_no_late_finals_where_there_is_live_speech(
    rows, finals, late_ratio, queue_wait_s
):
    sample = build(LoadQuestion(quantile=0.5), **rows)
    assert (sample.finals, sample.late_ratio) == (finals, late_ratio)
    assert sample.queue_wait_s == queue_wait_s


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
    known = {
        query: [row(value, asr_pod="a"), row(value, asr_pod="b")]
        for query, value in {"batches": 1, "batch_items": 4, "batch_audio": 20}.items()
    }
    busy = [row(0.2, asr_pod="a"), row(0.3, asr_pod="b")]
    (asr,) = build(**known, batch_busy=busy).stages
    assert (asr.batches_per_s, asr.items_per_s, asr.padded_audio_ratio) == (2, 8, 40)
    assert (asr.stage, asr.busy_ratio, asr.size_bound_ratio) == ("asr", 0.5, 0)
    assert build(**known, batch_busy=[row("NaN", asr_pod="a")]).stages == ()
    (full,) = build(**known, batch_busy=busy, batches_by_size=[row(1.5, asr_pod="a")]).stages
    assert full.size_bound_ratio == 0.75


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
        load_rows.index_rows(Query.DUTY, rows, {})
    assert raised.value.reason == Reason.ANSWER_MALFORMED


@pytest.mark.parametrize(
    ("value", "known"),
    [(0.0, True), (1e14, True), (1e15, False), (-0.1, False), (math.nan, False)],
)
def test_what_can_be_a_value_of_ours(value, known):
    assert load_rows.is_known(value) is known
