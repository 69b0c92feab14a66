"""Which changes of a status are worth a write."""

from dataclasses import replace
from datetime import timedelta

import pytest

from asr_operator.api.names import ConditionType
from asr_operator.api.scaling_status import LoadSummary, ScalingRecord
from asr_operator.api.status import AsrServiceStatus, Condition
from asr_operator.decisions import steadiness

TIME = "2026-01-01T12:00:00Z"


def condition(type_, **fields):
    return Condition(
        type_,
        **{"status": "True", "reason": "A", "message": "a", **fields},
        observed_generation=1,
        last_transition_time=TIME,
    )


OLD = AsrServiceStatus(
    conditions=(
        condition(ConditionType.READY),
        condition(ConditionType.SCALING_ACTIVE),
        condition(ConditionType.SLO_MET),
    ),
    sessions=10,
    load=LoadSummary(TIME, 400, 100, "10.00", "0.00", "0.50", None),
)


def with_condition(type_, **fields):
    return replace(
        OLD,
        conditions=tuple(
            replace(found, **fields) if found.type == type_ else found for found in OLD.conditions
        ),
    )


def with_load(**fields):
    return replace(OLD, load=replace(OLD.load, time="2026-01-01T12:05:00Z", **fields))


@pytest.fixture
def is_written(now):
    """Whether a status is written so long after the old one."""

    def run(new, after_s, old=OLD):
        kept = steadiness.keep_numbers(old, new, now + timedelta(seconds=after_s))
        assert kept in (old, new)
        return kept is new

    return run


@pytest.mark.parametrize(
    "new",
    [
        with_condition(ConditionType.READY, message="b"),
        with_condition(ConditionType.SCALING_ACTIVE, status="False"),
        with_condition(ConditionType.SLO_MET, reason="B"),
        replace(OLD, load=None, sessions=None),
        replace(OLD, ready_replicas=1),
        replace(OLD, desired_batch_size=3),
        replace(OLD, scaling_history=(ScalingRecord(TIME, "replicas", 1, 2, "B"),)),
    ],
)
def test_what_is_no_number_is_written_at_once(is_written, new):
    assert is_written(new, 0)


@pytest.mark.parametrize(
    "new",
    [
        with_load(final_latency_ms=510),
        with_load(queue_wait_ms=151),
        with_load(demand="13.00"),
        with_load(refused_per_s="0.10"),
        with_load(engine_duty="0.70"),
        with_load(gpu_utilization="0.10"),
        with_load(final_latency_ms=None),
        replace(OLD, sessions=13),
        with_condition(ConditionType.SCALING_ACTIVE, reason="B", message="b"),
    ],
)
def test_a_number_that_changed_by_much_is_written_once_a_minute(is_written, new):
    assert not is_written(new, 59)
    assert is_written(new, 60)


@pytest.mark.parametrize(
    "new",
    [
        with_load(),
        with_load(final_latency_ms=450, queue_wait_ms=120, demand="11.90", engine_duty="0.54"),
        replace(OLD, sessions=12),
        with_condition(ConditionType.SCALING_ACTIVE, message="b"),
        with_condition(ConditionType.SLO_MET, message="b"),
    ],
)
def test_noise_is_never_written(is_written, new):
    assert not is_written(new, 86400)


def test_a_few_sessions_are_told_exactly(is_written):
    few = replace(OLD, sessions=1)
    assert is_written(replace(OLD, sessions=2), 60, old=few)
    assert is_written(replace(OLD, sessions=0), 60, old=few)


def test_small_numbers_are_noise(is_written):
    idle = with_load(final_latency_ms=20, demand="0.01", engine_duty="0.00")
    other = with_load(final_latency_ms=60, demand="0.10", engine_duty="0.04")
    assert not is_written(other, 86400, old=idle)


def test_a_status_without_load_is_not_written_again(is_written):
    blind = replace(OLD, load=None)
    assert not is_written(replace(blind, sessions=3), 86400, old=blind)


UNASKED = AsrServiceStatus(
    conditions=(
        condition(ConditionType.READY, reason="B"),
        condition(ConditionType.METRICS_AVAILABLE, status="Unknown", reason="NotSampledYet"),
        condition(ConditionType.SCALING_ACTIVE, status="False", reason="MetricsUnknown"),
        condition(ConditionType.SLO_MET, status="Unknown", reason="NoFinals"),
    )
)


def test_before_the_load_is_asked_for_nothing_about_it_changes():
    """An operator that starts does not write the status of every service twice."""
    metrics = condition(ConditionType.METRICS_AVAILABLE, reason="MetricsFound")
    old = replace(OLD, conditions=(OLD.conditions[0], metrics, *OLD.conditions[1:]))
    kept = steadiness.keep_unasked(old, UNASKED)
    assert kept == replace(old, conditions=(UNASKED.conditions[0], *old.conditions[1:]))


def test_what_is_known_without_the_load_is_told_at_once():
    paused = condition(ConditionType.SCALING_ACTIVE, status="False", reason="Paused")
    new = replace(UNASKED, conditions=(UNASKED.conditions[1], paused))
    assert steadiness.keep_unasked(OLD, new).find(ConditionType.SCALING_ACTIVE) == paused


def test_for_another_spec_nothing_old_is_kept():
    newer = replace(UNASKED.conditions[3], observed_generation=2)
    new = replace(UNASKED, conditions=(UNASKED.conditions[1], newer))
    assert steadiness.keep_unasked(OLD, new).find(ConditionType.SLO_MET) == newer


def test_a_new_service_says_that_its_load_was_not_asked_for():
    assert steadiness.keep_unasked(AsrServiceStatus(), UNASKED) == UNASKED


def test_a_load_that_was_asked_for_in_vain_is_told():
    failed = condition(ConditionType.METRICS_AVAILABLE, status="False", reason="PrometheusFailed")
    new = replace(UNASKED, conditions=(failed,))
    assert steadiness.keep_unasked(OLD, new) == new
