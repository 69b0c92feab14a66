"""The names of the server's metrics: what operators, dashboards and alerts build on."""

import typing

import pytest
from prometheus_client import CollectorRegistry

from asr_operator.api import spec
from asr_operator.children import pod
from asr_operator.state.policy import ServerPolicy
from asr_server.link import messages
from asr_server.metrics import GpuMetrics, Metrics

NAMES = {
    "asr_audio_seconds_total": {"class"},
    "asr_batch_audio_limit_seconds": set(),
    "asr_batch_audio_seconds": {"stage"},
    "asr_batch_fill_ratio": {"stage"},
    "asr_batch_release_total": {"stage", "reason"},
    "asr_batch_seconds": {"stage"},
    "asr_batch_size": {"stage"},
    "asr_batch_size_limit": set(),
    "asr_config_errors_total": set(),
    "asr_config_generation": set(),
    "asr_cpu_limited_seconds_total": set(),
    "asr_engine_busy_seconds_total": set(),
    "asr_engine_restarts_total": set(),
    "asr_event_loop_lag_seconds": set(),
    "asr_final_latency_seconds": {"mode"},
    "asr_first_partial_seconds": {"mode"},
    "asr_gpu_memory_used_bytes": set(),
    "asr_gpu_utilization_ratio": set(),
    "asr_max_wait_seconds": set(),
    "asr_oom_total": set(),
    "asr_partial_lag_seconds": {"mode"},
    "asr_queue_audio_seconds": {"class"},
    "asr_queue_wait_seconds": {"class"},
    "asr_received_audio_seconds_total": {"class"},
    "asr_received_items_total": {"class"},
    "asr_refused_sessions_total": {"reason"},
    "asr_saturation": set(),
    "asr_server_info": {"asr_namespace", "asr_service", "asr_pod", "version", "device", "model"},
    "asr_session_limit": set(),
    "asr_sessions": {"state"},
    "asr_shed_total": {"what"},
    "asr_shedding_step": set(),
    "asr_stage_seconds": {"stage"},
    "asr_stream_limit": set(),
    "asr_utterances_total": {"outcome"},
    "asr_waiting_sessions": set(),
}


def declared():
    """Return name and labels of every metric that the server declares."""
    metrics = Metrics()
    collectors = [
        each
        for group in (
            metrics.session,
            metrics.engine,
            metrics.server,
            GpuMetrics(CollectorRegistry()),
        )
        for each in vars(group).values()
    ]
    families = [(each, each.describe()[0]) for each in collectors]
    return {
        family.name + ("_total" if family.type == "counter" else ""): set(each._labelnames)
        for each, family in families
    }


def test_server_declares_these_metrics_and_no_others():
    assert declared() == NAMES


@pytest.mark.parametrize("label", ["asr_namespace", "asr_service", "asr_pod"])
def test_pod_knows_who_it_is(label):
    names = {each["name"] for each in pod_environment()}

    assert label.upper() in names
    assert label in NAMES["asr_server_info"]


@pytest.mark.parametrize(
    ("message", "field", "name"),
    [
        (messages.BatchRan, "stage", "asr_batch_size"),
        (messages.BatchRan, "stage", "asr_batch_release_total"),
        (messages.BatchRan, "reason", "asr_batch_release_total"),
        (messages.Recognize, "item_class", "asr_queue_wait_seconds"),
    ],
)
def test_series_of_all_that_an_engine_reports_exist_from_the_start(message, field, name):
    label = "class" if field == "item_class" else field
    exist = {
        sample.labels[label]
        for metric in Metrics().registry.collect()
        for sample in metric.samples
        if sample.name.startswith(name) and label in sample.labels
    }
    assert exist == set(typing.get_args(typing.get_type_hints(message)[field]))


def pod_environment():
    built = pod.build_pod_template(
        spec.Identity("speech", "team", "1"),
        spec.AsrServiceSpec(spec.DemoModel()),
        ServerPolicy("asr-server:1"),
    )
    return built["spec"]["containers"][0]["env"]
