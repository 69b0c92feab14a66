"""When the sampler asks, whom it tells, what it says without an answer; in virtual time."""

import asyncio
import contextlib
import logging
import math

import pytest

from asr_operator import metrics
from asr_operator.api.names import Reason
from asr_operator.cluster import load, queries
from asr_operator.cluster.answers import Labels, PrometheusError, RangeRow, Row
from asr_operator.state.load import BatchPoint, LoadQuestion, LoadSample

pytestmark = pytest.mark.looptime

ASKED = (*queries.INSTANT, *queries.WINDOWED)
A, B = ("speech", "a"), ("speech", "b")
QUESTION = LoadQuestion()
DOWN = PrometheusError(Reason.PROMETHEUS_UNREACHABLE, "look there", "refused")


def now():
    return asyncio.get_running_loop().time() + 1e9


class FakePrometheus:
    """Every service has one pod, sampled just now; `fails` is what is raised for which text."""

    def __init__(self):
        self.asked = []
        self.fails = {}
        self.past = {}
        self.answers = {}

    def _ask(self, promql):
        self.asked.append(promql)
        for text, error in self.fails.items():
            if text in promql:
                raise error

    async def read_clock(self):
        self._ask("time()")
        return now()

    async def query(self, promql, at):
        self._ask(promql)
        for text, (labels, value) in self.answers.items():
            if text in promql:
                return [Row(labels, (at, value))]
        if "timestamp(" not in promql:
            return []
        return [Row(Labels(*key, asr_pod="a", instance=key[1]), (at, str(at))) for key in (A, B)]

    async def query_range(self, promql, start, end, step_s):
        self._ask("range " + promql)
        for name, rows in self.past.items():
            if name in promql:
                return rows
        return []

    def rounds(self):
        return sum("timestamp(" in promql for promql in self.asked)


@pytest.fixture
def prometheus():
    return FakePrometheus()


@pytest.fixture
def measured():
    return metrics.OperatorMetrics()


@pytest.fixture
def told():
    return []


@pytest.fixture
async def sampler(prometheus, measured, told):
    templates = queries.load_queries(None)
    return load.Sampler(prometheus, templates, measured.sampler, now, told.append)


@contextlib.asynccontextmanager
async def serving(sampler):
    task = asyncio.create_task(sampler.serve())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_who_asks_first_is_told_as_soon_as_there_is_an_answer(sampler, told):
    async with serving(sampler):
        await asyncio.sleep(1)
        found = sampler.read(A, QUESTION)
        assert (found.reason, told) == (Reason.NOT_SAMPLED_YET, [])
        await asyncio.sleep(0.1)
        assert told == [A]
        assert isinstance(sampler.read(A, QUESTION), LoadSample)


async def test_each_service_is_told_as_often_as_it_wants(sampler, told):
    async with serving(sampler):
        for _ in range(60):
            sampler.read(A, LoadQuestion(interval_s=10))
            sampler.read(B, LoadQuestion(interval_s=30))
            await asyncio.sleep(1)
    assert (told.count(A), told.count(B)) == (6, 2)


async def test_who_becomes_impatient_does_not_wait_for_what_was_due_before(sampler, told):
    async with serving(sampler):
        sampler.read(A, LoadQuestion(interval_s=60))
        await asyncio.sleep(10)
        sampler.read(A, LoadQuestion(interval_s=15))
        sampler.read(B, LoadQuestion(interval_s=15))
        await asyncio.sleep(6)
    assert told == [A, A, B]


@pytest.mark.parametrize(("interval_s", "rounds"), [(1, 13), (15, 5), (600, 2)])
async def test_prometheus_is_asked_neither_too_often_nor_too_rarely(
    sampler, prometheus, interval_s, rounds
):
    sampler.read(A, LoadQuestion(interval_s=interval_s))
    async with serving(sampler):
        await asyncio.sleep(60.5)
    assert prometheus.rounds() == rounds


async def test_nothing_but_the_time_is_asked_while_nobody_wants_to_know(sampler, prometheus, told):
    sampler.read(A, QUESTION)
    async with serving(sampler):
        await asyncio.sleep(400)
        prometheus.asked.clear()
        told.clear()
        await asyncio.sleep(200)
    assert (set(prometheus.asked), told) == ({"time()"}, [])


async def test_services_with_the_same_windows_share_questions(sampler, prometheus):
    sampler.read(A, LoadQuestion(window_s=55, quantile=0.5))
    sampler.read(B, LoadQuestion(window_s=60, stale_s=10))
    await sampler.sample()
    prometheus.asked.clear()
    await sampler.sample()
    assert len(prometheus.asked) == len(set(prometheus.asked)) == 1 + len(ASKED)


async def test_latencies_of_files_are_asked_for_while_a_service_has_no_others(sampler, prometheus):
    of_files = 'asr_final_latency_seconds_bucket{mode="offline"}'
    sampler.read(A, QUESTION)
    for live, expected in ((None, 1), ("0", 1), ("0.1", 0)):
        prometheus.answers = {
            "asr_received_items_total": [Labels(instance="a", item_class="file"), "2"],
            'mode!="offline"': [Labels(*A, le="+Inf"), live],
        }
        if live is None:
            del prometheus.answers['mode!="offline"']
        prometheus.asked.clear()
        await sampler.sample()
        assert sum(of_files in promql for promql in prometheus.asked) == expected
    prometheus.answers = {
        "asr_received_items_total": [Labels(instance="a", item_class="final"), "2"]
    }
    prometheus.asked.clear()
    await sampler.sample()
    assert not [promql for promql in prometheus.asked if of_files in promql]


async def test_windows_that_prometheus_cannot_cope_with_harm_nobody_else(sampler, prometheus):
    long = LoadQuestion(window_s=3000)
    prometheus.fails["[3600s]"] = DOWN
    sampler.read(A, QUESTION)
    sampler.read(B, long)
    await sampler.sample()
    assert isinstance(sampler.read(A, QUESTION), LoadSample)
    found = sampler.read(B, long)
    assert (found.reason, found.message) == (Reason.PROMETHEUS_UNREACHABLE, "look there")


async def test_a_failure_is_known_at_once_counted_and_logged_once(
    sampler, prometheus, measured, told, caplog
):
    caplog.set_level(logging.INFO)
    sampler.read(A, QUESTION)
    await sampler.sample()
    prometheus.fails["time()"] = DOWN
    for _ in range(3):
        await sampler.sample()
    assert sampler.read(A, QUESTION).reason == Reason.PROMETHEUS_UNREACHABLE
    labels = {"reason": "PrometheusUnreachable"}
    errors = measured.registry.get_sample_value("asr_operator_sampler_errors_total", labels)
    assert errors == 3
    prometheus.fails.clear()
    await sampler.sample()
    assert isinstance(sampler.read(A, QUESTION), LoadSample)
    lines = [record.message for record in caplog.records]
    assert lines == [
        "the load of services is not known: look there [refused]",
        "Prometheus answers again",
    ]


async def test_services_are_told_of_a_failure_too(sampler, prometheus, told):
    prometheus.fails["time()"] = DOWN
    sampler.read(A, QUESTION)
    await sampler.sample()
    assert told == [A]


async def test_the_age_of_the_metrics_is_that_of_the_last_round_without_a_failure(
    sampler, prometheus, measured
):
    def age_s():
        return measured.registry.get_sample_value("asr_operator_metrics_age_seconds")

    assert math.isnan(
        metrics.OperatorMetrics().registry.get_sample_value("asr_operator_metrics_age_seconds")
    )
    await sampler.sample()
    assert age_s() == pytest.approx(0)
    await asyncio.sleep(5)
    assert age_s() == pytest.approx(5)
    await sampler.sample()
    assert age_s() == pytest.approx(0)
    prometheus.fails["time()"] = DOWN
    await asyncio.sleep(7)
    await sampler.sample()
    assert age_s() == pytest.approx(7)


def past(*values):
    return RangeRow(Labels(*A), [(60.0 * at, text) for at, text in values])


async def test_the_past_has_a_point_for_each_minute_with_batches(sampler, prometheus):
    prometheus.past = {
        "asr_batch_size_count": [past((1, "2"), (2, "0"), (3, "NaN"), (4, "4"), (5, "1"))],
        "asr_batch_audio_seconds_sum": [past((1, "20"), (2, "0"), (3, "1"), (4, "80"))],
        "asr_batch_seconds_sum": [past((1, "1"), (2, "0"), (3, "1"), (4, "3"), (5, "1"))],
    }
    assert sampler.read_history(A) is None
    sampler.read(A, QUESTION)
    await sampler.sample()
    assert sampler.read_history(A) == (
        BatchPoint(60, "asr", 2, 10, 0.5),
        BatchPoint(240, "asr", 4, 20, 0.75),
    )
    assert sampler.read_history(B) == ()
    asked = len(prometheus.asked)
    await sampler.sample()
    assert not [promql for promql in prometheus.asked[asked:] if promql.startswith("range")]


async def test_a_past_that_cannot_be_had_is_given_up(sampler, prometheus, caplog):
    prometheus.fails["range"] = DOWN
    sampler.read(A, QUESTION)
    for expected in (None, None, (), ()):
        await sampler.sample()
        assert sampler.read_history(A) == expected
        assert isinstance(sampler.read(A, QUESTION), LoadSample)
    assert caplog.text.count("how batches ran before is not known: look there") == 3


async def test_a_past_without_sense_is_not_known(sampler, prometheus, caplog):
    prometheus.past = {"asr_batch_size_count": [past((1, "much"))]}
    sampler.read(A, QUESTION)
    await sampler.sample()
    assert sampler.read_history(A) is None
    assert "past_batches: could not convert" in caplog.text


async def test_an_operator_without_prometheus_says_how_to_give_it_one():
    source = load.NoSource(now)
    found = source.read(A, QUESTION)
    assert found.reason == Reason.PROMETHEUS_NOT_CONFIGURED
    assert "ASR_OPERATOR_PROMETHEUS_URL" in found.message
    assert source.read_history(A) == ()
