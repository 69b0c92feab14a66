"""What a real Prometheus knows of server pods of every kind, and how it fails."""

import contextlib
import json
import math
import time

import pytest

from asr_operator.api.names import Reason
from asr_operator.cluster import prometheus, queries
from asr_operator.settings import PrometheusSettings
from asr_operator.state import quantiles
from asr_operator.state.load import LoadQuestion, LoadSample, NoLoad, StageLoad

# Where the last scrape is late, Prometheus extends a rate to the end of the window by little: the
# error is a share of the window.
WINDOW_S = 300
QUESTION = LoadQuestion(window_s=WINDOW_S, peak_s=2 * WINDOW_S)


@pytest.fixture
async def read(sampler, prometheus_url):
    """Return what is known of a service after one round of questions."""

    async def read(service, question=QUESTION, **settings):
        made = sampler(prometheus_url, **settings)
        made.read(("speech", service), question)
        await made.sample()
        return made.read(("speech", service), question)

    return read


@contextlib.asynccontextmanager
async def connected(url):
    client = prometheus.Prometheus(PrometheusSettings(url, timeout_s=60))
    try:
        yield client
    finally:
        await client.close()


def pods(sample):
    return {pod.pod: pod for pod in sample.pods}


async def test_a_service_is_known_in_every_respect(read):
    sample = await read("steady")
    # Each refused session counts as a mean input, here of 30 / 4 seconds.
    assert sample.demand_audio_ratio == pytest.approx(30 + 0.5 * 30 / 4, rel=0.05)
    assert sample.demand_peak_ratio == pytest.approx(sample.demand_audio_ratio, rel=0.05)
    assert sample.refused_per_s == pytest.approx(0.5, rel=0.05)
    assert sample.finals == pytest.approx(4 * WINDOW_S, rel=0.05)
    assert sample.final_latency_s == pytest.approx(0.5 + 0.5 * 0.15 / 0.2, rel=0.01)
    assert sample.queue_wait_s == sample.final_latency_s
    assert sample.window_s == WINDOW_S
    (stage,) = sample.stages
    assert stage == StageLoad(
        stage="asr",
        batches_per_s=pytest.approx(1, rel=0.05),
        items_per_s=pytest.approx(4, rel=0.05),
        padded_audio_ratio=pytest.approx(36, rel=0.05),
        busy_ratio=pytest.approx(2.1, rel=0.05),
        size_bound_ratio=pytest.approx(0.25, rel=0.01),
    )


async def test_files_that_wait_are_not_late_finals_of_live_speech(read):
    sample = await read("mixed")
    assert sample.finals == pytest.approx(4 * WINDOW_S, rel=0.05)
    assert sample.final_latency_s == pytest.approx(0.5 + 0.5 * 0.15 / 0.2, rel=0.01)
    assert sample.queue_wait_s == sample.final_latency_s
    assert sample.late_ratio == pytest.approx(0.2, rel=0.01)


async def test_each_pod_is_known_by_itself(read):
    found = pods(await read("steady"))
    assert list(found) == ["a", "b"]
    assert found["b"].duty_ratio == pytest.approx(1.7, rel=0.05)
    assert found["b"].demand_audio_ratio == pytest.approx(20, rel=0.05)
    assert found["b"].age_s < 30
    assert (found["b"].sessions, found["b"].session_limit) == (3, 100)
    assert (found["b"].config_generation, found["b"].batch_size_limit) == (3, 16)
    assert found["b"].cpu_ratio == pytest.approx(0.6, rel=0.05)
    assert found["b"].gpu_ratio is None


async def test_a_service_without_work_is_idle_and_not_unknown(read):
    sample = await read("idle")
    assert (sample.demand_audio_ratio, sample.demand_peak_ratio, sample.finals) == (0, 0, 0)
    assert (sample.final_latency_s, sample.queue_wait_s) == (None, None)
    (pod,) = sample.pods
    assert (pod.sessions, pod.duty_ratio, pod.demand_audio_ratio) == (1, 0, 0)


async def test_nonsense_of_one_pod_is_unknown_and_spoils_no_sum(read):
    sample = await read("lying")
    assert sample.demand_audio_ratio == pytest.approx(10, rel=0.05)
    assert sample.finals == pytest.approx(2 * WINDOW_S, rel=0.05)
    assert sample.final_latency_s is not None
    liar = pods(sample)["b"]
    assert (liar.demand_audio_ratio, liar.duty_ratio, liar.sessions) == (None, None, None)
    assert liar.session_limit == 100
    assert liar.age_s < 30


async def test_a_pod_that_cannot_be_scraped_is_missing(read):
    sample = await read("silent")
    assert list(pods(sample)) == ["a"]
    assert sample.demand_audio_ratio == pytest.approx(10, rel=0.05)


async def test_a_pod_that_is_scraped_twice_counts_once(read):
    sample = await read("doubled")
    assert sample.demand_audio_ratio == pytest.approx(10, rel=0.05)
    assert sample.finals == pytest.approx(2 * WINDOW_S, rel=0.05)
    (pod,) = sample.pods
    assert pod.sessions == 3


async def test_an_address_that_two_pods_claim_belongs_to_neither(read):
    sample = await read("claimed")
    found = pods(sample)
    assert list(found) == ["a", "b", "c"]
    assert sample.demand_audio_ratio == pytest.approx(10, rel=0.05)
    assert found["a"].sessions == 3
    assert [found[pod].sessions for pod in "bc"] == [None, None]
    assert [found[pod].duty_ratio for pod in "bc"] == [None, None]


async def test_counters_that_start_again_make_no_jump(read):
    sample = await read("restarting")
    assert 5 < sample.demand_audio_ratio < 11
    assert 5 < sample.demand_peak_ratio < 12


async def test_old_samples_are_unknown(read):
    found = await read("stale")
    assert (found.reason, "older than 90 s" in found.message) == (Reason.SERIES_STALE, True)
    patient = await read("stale", LoadQuestion(stale_s=280))
    (pod,) = patient.pods
    assert 195 < pod.age_s < 280


async def test_a_service_that_is_not_scraped_says_what_to_do(read):
    found = await read("missing")
    assert found.reason == Reason.SERIES_MISSING
    assert "no asr_server_info of speech/missing; have it scrape" in found.message


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
async def test_quantiles_equal_those_of_prometheus(prometheus_url, quantile):
    async with connected(prometheus_url) as client:
        at = await client.read_clock()
        templates = queries.load_queries(None)
        windows = queries.choose_windows(60, 120)
        buckets = templates.render(queries.Query.FILE_LATENCY, windows)
        theirs = {
            row.metric.asr_service: float(row.value[1])
            for row in await client.query(f"histogram_quantile({quantile}, {buckets})", at)
        }
        ours = {}
        for row in await client.query(buckets, at):
            bucket = (float(row.metric.le), float(row.value[1]))
            ours.setdefault(row.metric.asr_service, []).append(bucket)
    assert set(theirs) == set(ours)
    assert {service for service, value in theirs.items() if math.isnan(value)} == {"idle"}
    for service, value in theirs.items():
        expected = None if math.isnan(value) else pytest.approx(value)
        assert quantiles.compute_quantile(quantile, ours[service]) == expected


async def test_the_past_is_known_after_a_restart(sampler, prometheus_url):
    made = sampler(prometheus_url)
    assert made.read_history(("speech", "steady")) is None
    made.read(("speech", "steady"), QUESTION)
    await made.sample()
    points = made.read_history(("speech", "steady"))
    assert len(points) == 31
    assert [point.at for point in points] == sorted(point.at for point in points)
    for point in points:
        assert point.stage == "asr"
        assert point.padded_audio_s == pytest.approx(36, rel=0.01)
        assert point.busy_s == pytest.approx(2.1, rel=0.01)
    assert made.read_history(("speech", "idle")) == ()


async def test_services_with_other_windows_are_asked_about_by_themselves(sampler, prometheus_url):
    made = sampler(prometheus_url)
    short, long = LoadQuestion(window_s=25), LoadQuestion(window_s=60)
    for _ in range(2):
        made.read(("speech", "steady"), short)
        made.read(("speech", "idle"), long)
        await made.sample()
    assert made.read(("speech", "steady"), short).window_s == 30
    assert made.read(("speech", "idle"), long).window_s == 60


async def test_clocks_a_little_apart_do_no_harm(read):
    sample = await read("steady", clock=lambda: time.time() + 20)
    assert sample.demand_audio_ratio == pytest.approx(30 + 0.5 * 30 / 4, rel=0.05)
    assert max(pod.age_s for pod in sample.pods) < 30


@pytest.mark.parametrize("skew_s", [-3600, 3600])
async def test_clocks_far_apart_are_told(read, skew_s):
    found = await read("steady", clock=lambda: time.time() + skew_s)
    assert found.reason == Reason.CLOCK_SKEW
    assert "set the time of their nodes" in found.message


PODS_WITHOUT_ADDRESS = "max by (asr_namespace, asr_service, asr_pod) (asr_server_info)"
DUPLICATE_JOIN = "asr_sessions * on (instance) group_left (asr_service) asr_server_info"


@pytest.mark.parametrize(
    ("query", "promql", "reason", "detail"),
    [
        ("gauges", DUPLICATE_JOIN, Reason.QUERY_FAILED, "gauges: 422: found duplicate series"),
        ("pods", "max by (", Reason.QUERY_FAILED, "pods: 400: invalid parameter"),
        ("pods", "quantile(2, up)", Reason.ANSWER_PARTIAL, "pods: PromQL warning"),
        ("pods", "vector(1)", Reason.ANSWER_MALFORMED, "rows without asr_namespace"),
        ("pods", PODS_WITHOUT_ADDRESS, Reason.ANSWER_MALFORMED, "rows without instance"),
        ("pods", "1", Reason.ANSWER_MALFORMED, "pods: the result is not a vector"),
    ],
)
async def test_a_query_that_fails_is_named_in_the_log_and_not_to_users(
    read, tmp_path, caplog, query, promql, reason, detail
):
    queries_file = tmp_path / "queries.json"
    queries_file.write_text(json.dumps({query: promql}))
    found = await read("steady", queries_file=queries_file)
    assert (type(found), found.reason) == (NoLoad, reason)
    assert "the operator's log" in found.message or "prometheus-url" in found.message
    assert detail in caplog.text
    assert detail not in found.message


async def test_a_query_of_the_platform_team_replaces_ours(read, tmp_path):
    queries_file = tmp_path / "queries.json"
    duty = 'max by (asr_namespace, asr_service, asr_pod) (asr_server_info{asr_pod="a"} * 0.25)'
    queries_file.write_text(json.dumps({"duty": duty}))
    sample = await read("steady", queries_file=queries_file)
    assert [pod.duty_ratio for pod in sample.pods] == [0.25, None]
    assert isinstance(sample, LoadSample)


async def test_a_slow_query_ends_in_time(sampler, prometheus_url, tmp_path):
    queries_file = tmp_path / "queries.json"
    slow = "sum by (asr_namespace, asr_service) (sum_over_time(asr_server_info[1h:1ms]))"
    queries_file.write_text(json.dumps({"duty": slow + " + 0 * " + slow}))
    made = sampler(prometheus_url, queries_file=queries_file, timeout_s=0.3)
    made.read(("speech", "steady"), QUESTION)
    started_at = time.monotonic()
    await made.sample()
    assert time.monotonic() - started_at < 15
    assert made.read(("speech", "steady"), QUESTION).reason == Reason.PROMETHEUS_TIMED_OUT
