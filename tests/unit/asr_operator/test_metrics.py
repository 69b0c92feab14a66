import pytest

from asr_operator import metrics

READY = ("Ready", "True", "Serving")
STARTING = ("Ready", "False", "Starting")


@pytest.fixture
def measured():
    return metrics.OperatorMetrics()


@pytest.fixture
def report(measured):
    def report(service, *conditions, replicas=2):
        state = metrics.ServiceState(replicas, 16, 0.5, 0.95, conditions)
        measured.services.report("speech", service, state)

    return report


def series(measured, service):
    """Return name and value of everything that is shown of a service."""
    return {
        (
            sample.name,
            *(sample.labels[key] for key in ("type", "reason") if key in sample.labels),
        ): (sample.value)
        for family in measured.registry.collect()
        for sample in family.samples
        if sample.labels.get("asr_service") == service
    }


def test_service_shows_what_it_is_told_and_how_it_is(measured, report):
    report("demo", READY)

    assert series(measured, "demo") == {
        ("asr_operator_desired_replicas",): 2,
        ("asr_operator_desired_batch_size",): 16,
        ("asr_operator_final_latency_objective_seconds",): 0.5,
        ("asr_operator_final_latency_objective_ratio",): 0.95,
        ("asr_operator_condition", "Ready", "Serving"): 1,
    }


def test_condition_that_changed_is_shown_once(measured, report):
    report("demo", STARTING)
    report("demo", READY)

    shown = [name for name in series(measured, "demo") if name[0] == "asr_operator_condition"]
    assert shown == [("asr_operator_condition", "Ready", "Serving")]


def test_service_that_is_gone_leaves_no_series_and_takes_no_other_along(measured, report):
    report("demo", READY)
    report("other", READY)
    measured.services.decisions.labels("speech", "demo", "replicas", "up", "Demand").inc()

    before = series(measured, "other")
    measured.services.forget("speech", "demo")

    assert series(measured, "demo") == {}
    assert series(measured, "other") == before


def test_service_that_was_never_shown_can_be_forgotten(measured):
    measured.services.forget("speech", "demo")
