"""What the status says of load and scaling."""

from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import Autoscaling, BatchPolicy
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import BoundsInForce, LoadSummary, Recommendation
from asr_operator.api.schedules import Bounds
from asr_operator.decisions import plan, scaling_report
from asr_operator.state.load import NoLoad
from asr_operator.state.plan import Plan, Problem
from asr_operator.state.scaling import ScalingDecision

NOTHING_DECIDED = Plan()


@pytest.fixture
def decided(blind, load):
    """A tick with a decision, of a load that is known."""

    def make(knowledge="loaded", reason=Reason.STEADY, **fields):
        decision = ScalingDecision(knowledge, 2, 16, reason, "All is well.", **fields)
        return replace(blind, load=load({"demo-1-a": {"sessions": 1.0}}), decision=decision)

    return make


def spec_of(demo_spec, scaling="Auto", batching="Fixed"):
    return demo_spec(autoscaling=Autoscaling(scaling), batching=BatchPolicy(batching))


def brief(verdict):
    return f"{verdict.status}/{verdict.reason}"


@pytest.mark.parametrize(
    ("problem", "ready_at", "expected"),
    [
        (None, "2026-01-01T11:00:00Z", "True/MetricsFound"),
        (Reason.SERIES_STALE, "2026-01-01T11:00:00Z", "False/SeriesStale"),
        (Reason.SERIES_IMPLAUSIBLE, "2026-01-01T11:59:59Z", "False/SeriesImplausible"),
        (Reason.SERIES_MISSING, "2026-01-01T11:58:29Z", "False/SeriesMissing"),
        (Reason.SERIES_MISSING, "2026-01-01T11:58:31Z", "Unknown/SeriesMissing"),
        (Reason.SERIES_MISSING, None, "Unknown/SeriesMissing"),
        (Reason.NO_SERVER, None, "Unknown/NoServer"),
    ],
    ids=[
        "all is known",
        "a series is stale",
        "a series cannot be true",
        "a pod was not scraped in 90 s",
        "a pod may not have been scraped yet",
        "no pod is ready",
        "there is no pod",
    ],
)
def test_metrics_are_available_when_they_are_believed(
    observed, demo_spec, pod, decided, problem, ready_at, expected
):
    pods = (pod(is_ready=ready_at is not None, ready_at=ready_at),)
    tick = decided(metrics=problem and Problem(problem, "Do something."))
    verdict = scaling_report.judge_metrics(observed(pods=pods), demo_spec(), tick)
    assert brief(verdict) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.PROMETHEUS_NOT_CONFIGURED, "False/PrometheusNotConfigured"),
        (Reason.PROMETHEUS_TIMED_OUT, "False/PrometheusTimedOut"),
        (Reason.NOT_SAMPLED_YET, "Unknown/NotSampledYet"),
    ],
)
def test_without_a_sample_the_reason_is_told(observed, pod, blind, reason, expected):
    tick = replace(blind, load=NoLoad(0, reason, "do something"))
    verdict = scaling_report.judge_metrics(observed(pods=(pod(is_ready=True),)), None, tick)
    assert (brief(verdict), verdict.message) == (expected, "Do something.")


@pytest.mark.parametrize(
    ("scaling", "batching", "reason", "expected"),
    [
        ("Auto", "Auto", Reason.STEADY, "True/Steady"),
        ("Auto", "Fixed", Reason.CAPACITY_NEEDED, "True/CapacityNeeded"),
        ("Auto", "Auto", Reason.METRICS_UNKNOWN, "False/MetricsUnknown"),
        ("Auto", "Auto", Reason.METRICS_FALLBACK, "True/MetricsFallback"),
        ("Recommend", "Fixed", Reason.STEADY, "True/Steady"),
        ("External", "Auto", Reason.STEADY, "True/Steady"),
        ("External", "Fixed", Reason.SCALING_EXTERNAL, "False/ScalingExternal"),
        ("Off", "Auto", Reason.BATCH_TOO_SMALL, "True/BatchTooSmall"),
        ("Off", "Fixed", Reason.SCALING_OFF, "False/ScalingOff"),
    ],
)
def test_scaling_is_active_when_something_is_decided(
    demo_spec, decided, scaling, batching, reason, expected
):
    spec = spec_of(demo_spec, scaling, batching)
    verdict = scaling_report.judge_scaling(spec, NOTHING_DECIDED, decided(reason=reason))
    assert brief(verdict) == expected
    assert ("spec.replicas is ignored" in verdict.message) is (scaling == "Auto")


def test_what_holds_the_service_holds_scaling(observed, policy, demo_spec, blind, now):
    paused = plan.plan_children(observed(paused=True), policy, blind, now)
    assert brief(scaling_report.judge_scaling(demo_spec(), paused, blind)) == "False/Paused"
    assert brief(scaling_report.judge_scaling(None, Plan(), blind)) == "False/SpecInvalid"


def test_a_limit_is_told(decided, blind):
    limited = decided(limited=Problem(Reason.MAX_REPLICAS_REACHED, "Raise it."))
    assert brief(scaling_report.judge_limit(limited)) == "True/MaxReplicasReached"
    for free in (decided(), blind):
        assert brief(scaling_report.judge_limit(free)) == "False/NotLimited"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "Unknown/NoFinals"),
        ({"slo_met": True}, "True/ObjectiveMet"),
        ({"slo_met": False}, "False/LatencyAboveObjective"),
        ({"slo_met": False, "unattainable": True}, "False/Unattainable"),
    ],
)
def test_the_objective_is_judged(demo_spec, decided, fields, expected):
    verdict = scaling_report.judge_objective(demo_spec(), decided(**fields))
    assert brief(verdict) == expected
    assert ("500 ms for p95" in verdict.message) is bool(fields)


def test_without_a_decision_the_objective_is_not_judged(demo_spec, blind):
    for spec in (demo_spec(), None):
        assert scaling_report.judge_objective(spec, blind).status == "Unknown"


def test_the_load_is_told_as_it_was_measured(load, blind, now):
    sample = load(
        {"a": {"duty_ratio": 0.5, "sessions": 3.0}, "b": {"duty_ratio": 0.7, "sessions": 4.0}},
        final_latency_s=0.4119,
        queue_wait_s=0.03,
        demand_audio_ratio=3.2,
        refused_per_s=0.0,
    )
    tick = replace(blind, load=sample)
    assert scaling_report.build_load(tick) == LoadSummary(
        "2026-01-01T12:00:00Z", 412, 30, "3.20", "0.00", "0.60", None
    )
    assert scaling_report.count_sessions(tick) == 7


@pytest.mark.parametrize("is_shared", [True, False])
def test_how_busy_gpus_are_is_told_with_the_signal_that_says_so(load, blind, is_shared):
    pods = {"a": {"gpu_ratio": 0.5}, "b": {"gpu_ratio": 0.7}}
    sample = load(pods, gpu_signal="some_series", gpus_are_shared=is_shared)
    told = scaling_report.build_load(replace(blind, load=sample))
    assert (told.gpu_utilization, told.gpu_signal) == ("0.60", "some_series")
    assert told.gpus_shared is (True if is_shared else None)


def test_what_is_not_known_is_absent(load, blind):
    assert scaling_report.build_load(blind) is None
    assert scaling_report.count_sessions(blind) is None
    silent = replace(blind, load=load({"a": {}}))
    assert scaling_report.build_load(silent) == LoadSummary("2026-01-01T12:00:00Z")
    assert scaling_report.count_sessions(silent) is None


def test_a_recommendation_is_told_in_mode_recommend_only(demo_spec, decided, blind):
    tick = decided(recommended_replicas=3, recommended_batch_size=20)
    spec = spec_of(demo_spec, "Recommend")
    assert scaling_report.build_recommendation(spec, tick) == Recommendation(3, 20)
    for spec_, other in (
        (spec, blind),
        (spec, decided()),
        (spec_of(demo_spec), tick),
        (None, tick),
    ):
        assert scaling_report.build_recommendation(spec_, other) is None


@pytest.mark.parametrize("mode", ["Auto", "Recommend", "External", "Off"])
def test_bounds_that_schedules_make_are_told_where_they_bound_anything(demo_spec, decided, mode):
    tick = decided(bounds=Bounds(4, 20, ("office",), "office", until=1767286800.0))
    told = BoundsInForce(4, 20, ("office",), "2026-01-01T17:00:00Z")
    is_bound = mode in ("Auto", "Recommend")
    found = scaling_report.build_bounds(spec_of(demo_spec, mode), tick)
    assert found == (told if is_bound else None)


def test_without_schedules_no_bounds_are_told(demo_spec, decided, blind):
    for spec, tick in ((spec_of(demo_spec), decided()), (spec_of(demo_spec), blind)):
        assert scaling_report.build_bounds(spec, tick) is None
