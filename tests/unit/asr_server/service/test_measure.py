"""The engine's reports become metrics."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from asr_server.link.messages import BatchRan, OutOfMemory, Overload
from asr_server.metrics import EngineMetrics, ServerMetrics
from asr_server.service.measure import DutyWindow, EngineReports, watch_cpu

BATCH = BatchRan("asr", 2, 6.0, 8.0, 0.25, 0.5, "audio", ("file", "final"), (0.5, 0.0))


@pytest.mark.parametrize(
    ("batches", "now", "ratio"),
    [
        ([], 5.0, 0.0),
        ([(1.0, 1.0)], 1.0, 0.1),
        ([(1.0, 1.0), (2.0, 1.0)], 10.0, 0.2),
        ([(1.0, 1.0), (2.0, 1.0)], 11.5, 0.05),
        ([(1.0, 1.0)], 11.0, 0.0),
        ([(10.0, 15.0)], 10.0, 1.0),
        ([(10.0, 15.0)], 15.0, 0.5),
    ],
)
def test_duty_is_the_busy_share_of_the_window(batches, now, ratio):
    duty = DutyWindow(10.0)
    for ended_at, busy_s in batches:
        duty.add(busy_s, ended_at)
    assert duty.ratio(now) == pytest.approx(ratio)


def test_a_batch_is_counted_under_its_stage_its_reason_and_the_classes_of_its_items():
    registry = CollectorRegistry()
    reports = EngineReports(EngineMetrics(registry))
    reports.observe(BATCH)
    value = registry.get_sample_value
    assert value("asr_engine_busy_seconds_total") == 0.25
    assert value("asr_batch_size_sum", {"stage": "asr"}) == 2
    assert value("asr_batch_audio_seconds_sum", {"stage": "asr"}) == 8
    assert value("asr_batch_fill_ratio_sum", {"stage": "asr"}) == 0.75
    assert value("asr_batch_seconds_sum", {"stage": "asr"}) == 0.25
    assert value("asr_batch_release_total", {"stage": "asr", "reason": "audio"}) == 1
    assert value("asr_queue_wait_seconds_sum", {"class": "file"}) == 0.5
    assert value("asr_queue_wait_seconds_count", {"class": "final"}) == 1
    assert value("asr_stage_seconds_sum", {"stage": "asr"}) == 1.5
    assert 0.02 < reports.duty() <= 0.025


def test_what_is_shed_is_counted_and_the_step_shown():
    registry = CollectorRegistry()
    reports = EngineReports(EngineMetrics(registry))
    value = registry.get_sample_value
    for report in (Overload(2, 3, 0), Overload(3, 4, 5)):
        reports.observe(report)
    assert value("asr_shedding_step") == 3
    assert value("asr_shed_total", {"what": "partial"}) == 7
    assert value("asr_shed_total", {"what": "file"}) == 5


@pytest.mark.parametrize("stage", ["vad", "asr", "punc"])
@pytest.mark.parametrize("reason", ["size", "audio", "slack", "idle"])
def test_every_series_of_a_stage_exists_before_its_first_batch(stage, reason):
    registry = CollectorRegistry()
    EngineMetrics(registry)
    assert registry.get_sample_value("asr_batch_size_count", {"stage": stage}) == 0
    released = {"stage": stage, "reason": reason}
    assert registry.get_sample_value("asr_batch_release_total", released) == 0


def test_running_out_of_memory_is_counted():
    registry = CollectorRegistry()
    EngineReports(EngineMetrics(registry)).observe(OutOfMemory("asr", 60.0))
    assert registry.get_sample_value("asr_oom_total") == 1


@pytest.mark.looptime
async def test_what_is_used_of_the_cpu_limit_is_counted(tmp_path):
    metrics = ServerMetrics(registry := CollectorRegistry())
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 1000000\n")
    watching = asyncio.create_task(watch_cpu(metrics, tmp_path))
    await asyncio.sleep(0.1)
    stat.write_text("usage_usec 1200000\n")
    await asyncio.sleep(1)
    watching.cancel()
    assert registry.get_sample_value("asr_cpu_limited_seconds_total") == pytest.approx(0.4)


@pytest.mark.looptime
async def test_without_a_cpu_limit_nothing_is_counted(tmp_path):
    metrics = ServerMetrics(registry := CollectorRegistry())
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\n")
    watching = asyncio.create_task(watch_cpu(metrics, tmp_path))
    await asyncio.sleep(1)
    assert not watching.done()
    watching.cancel()
    assert registry.get_sample_value("asr_cpu_limited_seconds_total") == 0
