"""The modes, cell by cell; what is in force; and the record that each change carries."""

from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import Autoscaling, BatchPolicy
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.status import AsrServiceStatus
from asr_operator.decisions import knobs
from asr_operator.state.scaling import Change, ScalingDecision

EARLIER = "2026-01-01T11:00:00Z"
NOW_TEXT = "2026-01-01T12:00:00Z"
MORE = ScalingRecord(EARLIER, "replicas", 2, 3, "CapacityNeeded")
LARGER = ScalingRecord(EARLIER, "batchSize", 8, 12, "BatchTooSmall")


@pytest.fixture
def decided(blind):
    """A tick that decided replicas and batch size, and why."""

    def make(replicas, batch_size, *changes):
        decision = ScalingDecision(
            "loaded", replicas, batch_size, Reason.STEADY, "", changes=changes
        )
        return replace(blind, decision=decision)

    return make


def spec_of(demo_spec, scaling="Off", batching="Fixed", replicas=5):
    return demo_spec(
        replicas=replicas,
        batching=BatchPolicy(batching, size=20),
        autoscaling=Autoscaling(scaling),
    )


@pytest.mark.parametrize(
    ("scaling", "batching", "replicas", "batch_size"),
    [
        ("Auto", "Auto", 7, 30),
        ("Auto", "Fixed", 7, 20),
        ("Recommend", "Auto", 5, 20),
        ("Recommend", "Fixed", 5, 20),
        ("External", "Auto", 5, 30),
        ("External", "Fixed", 5, 20),
        ("Off", "Auto", 5, 30),
        ("Off", "Fixed", 5, 20),
    ],
)
def test_the_modes_say_who_decides(
    observed, demo_spec, decided, now, scaling, batching, replicas, batch_size
):
    spec = spec_of(demo_spec, scaling, batching)
    made = knobs.decide_knobs(observed(spec), spec, decided(7, 30), now)
    assert (made.replicas, made.batch_size) == (replicas, batch_size)


def test_a_creation_is_recorded_as_such(observed, demo_spec, decided, now):
    spec = spec_of(demo_spec)
    made = knobs.decide_knobs(observed(spec), spec, decided(1, 1), now)
    assert made.replicas_record == ScalingRecord(NOW_TEXT, "replicas", 0, 5, Reason.CREATED)
    assert made.batch_record == ScalingRecord(NOW_TEXT, "batchSize", 0, 20, Reason.CREATED)


def test_nothing_new_is_recorded_when_nothing_changes(
    observed, demo_spec, deployment, config, decided, now
):
    spec = spec_of(demo_spec, "Auto", "Auto")
    seen = observed(
        spec,
        deployment=deployment(desired=3, replicas_record=MORE),
        config=config(12, batch_record=LARGER),
    )
    made = knobs.decide_knobs(seen, spec, decided(3, 12), now)
    assert (made.replicas_record, made.batch_record) == (MORE, LARGER)


def test_children_of_before_records_were_kept_stay_as_they_are(
    observed, demo_spec, deployment, config, decided, now
):
    spec = spec_of(demo_spec)
    seen = observed(spec, deployment=deployment(desired=5), config=config(20))
    made = knobs.decide_knobs(seen, spec, decided(5, 20), now)
    assert (made.replicas_record, made.batch_record) == (None, None)


def test_a_decision_is_recorded_with_its_reason_and_inputs(
    observed, demo_spec, deployment, config, decided, now
):
    spec = spec_of(demo_spec, "Auto", "Auto")
    seen = observed(spec, deployment=deployment(desired=3), config=config(12))
    at = now.timestamp() - 7
    grown = Change(at, "replicas", 3, 4, Reason.SESSIONS_NEEDED, (("sessions", "9"), ("a", "1")))
    made = knobs.decide_knobs(seen, spec, decided(4, 12, grown), now)
    assert made.replicas_record == ScalingRecord(
        "2026-01-01T11:59:53Z",
        "replicas",
        3,
        4,
        Reason.SESSIONS_NEEDED,
        (("a", "1"), ("sessions", "9")),
    )
    assert made.batch_record is None


def test_a_change_of_the_spec_is_recorded_as_such(
    observed, demo_spec, deployment, config, decided, now
):
    spec = spec_of(demo_spec)
    seen = observed(
        spec,
        deployment=deployment(desired=3, replicas_record=MORE),
        config=config(12, batch_record=LARGER),
    )
    made = knobs.decide_knobs(seen, spec, decided(3, 12), now)
    assert made.replicas_record == ScalingRecord(NOW_TEXT, "replicas", 3, 5, Reason.SPEC_CHANGED)
    assert made.batch_record == ScalingRecord(NOW_TEXT, "batchSize", 12, 20, Reason.SPEC_CHANGED)


def test_what_somebody_else_wrote_is_not_in_force(
    observed, demo_spec, deployment, config, decided, now
):
    """Somebody scales the Deployment and edits the ConfigMap of a service in mode Auto."""
    spec = spec_of(demo_spec, "Auto", "Auto")
    seen = observed(
        spec,
        deployment=deployment(desired=9, replicas_record=MORE),
        config=config(99, batch_record=LARGER),
    )
    assert knobs.find_replicas(seen).value == 3
    assert knobs.find_batch_size(seen).value == 12
    made = knobs.decide_knobs(seen, spec, decided(3, 12), now)
    assert (made.replicas, made.replicas_record) == (3, MORE)
    assert (made.batch_size, made.batch_record) == (12, LARGER)


def test_children_that_somebody_deleted_come_back_as_they_were(observed, demo_spec, decided, now):
    spec = spec_of(demo_spec, "Auto", "Auto")
    status = AsrServiceStatus(desired_batch_size=14, scaling_history=(MORE, LARGER))
    seen = observed(spec, status=status)
    assert knobs.find_replicas(seen).value == 3
    assert knobs.find_batch_size(seen).value == 14
    made = knobs.decide_knobs(seen, spec, decided(3, 14), now)
    assert (made.replicas_record.reason, made.batch_record.reason) == ("Created", "Created")


def test_knobs_are_in_force_when_both_were_written(
    observed, demo_spec, deployment, config, blind, now
):
    spec = spec_of(demo_spec)
    planned = knobs.decide_knobs(observed(spec), spec, blind, now)
    for desired, size, in_force in ((5, 20, True), (4, 20, False), (5, 19, False)):
        seen = observed(spec, deployment=deployment(desired=desired), config=config(size))
        assert knobs.are_in_force(seen, planned) is in_force


def test_a_child_that_comes_back_changed_says_why(observed, demo_spec, decided, now):
    spec = spec_of(demo_spec, "Auto", "Auto")
    seen = observed(spec, status=AsrServiceStatus(scaling_history=(MORE,)))
    grown = Change(now.timestamp(), "replicas", 3, 4, Reason.CAPACITY_NEEDED)
    made = knobs.decide_knobs(seen, spec, decided(4, 20, grown), now)
    assert made.replicas_record == ScalingRecord(NOW_TEXT, "replicas", 3, 4, Reason.CAPACITY_NEEDED)


def test_a_switch_of_the_mode_goes_on_from_what_is_in_force(
    observed, demo_spec, deployment, config, blind, now
):
    """A service that is not decided on yet keeps its replicas."""
    spec = spec_of(demo_spec, "Auto", "Auto", replicas=1)
    seen = observed(spec, deployment=deployment(desired=6), config=config(9))
    made = knobs.decide_knobs(seen, spec, blind, now)
    assert (made.replicas, made.batch_size) == (6, 9)
