from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from asr_operator.api import status
from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.scaling_status import (
    BoundsInForce,
    LoadSummary,
    Recommendation,
    ScalingRecord,
)
from asr_operator.api.status import AsrServiceStatus, Condition, LastFailure

TIME = "2026-01-01T00:00:00Z"
FULL = AsrServiceStatus(
    observed_generation=3,
    conditions=(
        Condition(ConditionType.READY, "False", Reason.STARTING, "0 of 2", 3, TIME),
        Condition(ConditionType.SPEC_VALID, "True", Reason.VALID, "fine", 2, TIME),
    ),
    replicas=2,
    ready_replicas=1,
    selector="a=b",
    url="ws://demo.speech.svc:10095",
    desired_batch_size=16,
    applied_batch_size=8,
    sessions=12,
    load=LoadSummary(
        TIME, 412, 30, "3.20", "0.00", "0.42", "0.55", "some_series", gpus_shared=True
    ),
    recommendation=Recommendation(3, 20),
    bounds=BoundsInForce(4, 20, ("office", "launch"), TIME),
    scaling_history=(
        ScalingRecord(TIME, "replicas", 1, 2, "SpecChanged"),
        ScalingRecord(TIME, "batchSize", 8, 16, "SpecChanged", (("a", "1"), ("b", "2"))),
    ),
    last_failure=LastFailure(Reason.MODEL_FAILED, "no asr", TIME),
)


def test_a_status_survives_the_way_to_the_cluster_and_back():
    sparse = replace(
        FULL,
        load=LoadSummary(TIME),
        recommendation=Recommendation(3),
        bounds=BoundsInForce(1, 2),
        sessions=0,
    )
    for original in (FULL, sparse, AsrServiceStatus()):
        assert status.parse_status({"status": status.render_status(original)}) == original


def test_an_absent_status_is_empty():
    assert status.parse_status({}) == AsrServiceStatus()


def test_conditions_of_unknown_types_are_left_out():
    stored = status.render_status(FULL)
    stored["conditions"].append({**stored["conditions"][0], "type": "FromALaterVersion"})
    assert status.parse_status({"status": stored}) == FULL


def test_a_condition_is_found_by_type():
    assert FULL.find(ConditionType.READY) == FULL.conditions[0]
    assert FULL.find(ConditionType.PROGRESSING) is None


def test_times_are_in_whole_seconds_of_utc():
    moment = datetime(2026, 1, 1, 2, 0, 0, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert status.render_time(moment) == TIME
    assert status.render_time(datetime(2026, 1, 1, tzinfo=UTC)) == TIME
