from dataclasses import replace

import pytest

from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import LONGEST_HISTORY, ScalingRecord
from asr_operator.api.status import AsrServiceStatus
from asr_operator.decisions import history
from asr_operator.state.scaling import Change


def record(minute, knob="replicas", reason="CapacityNeeded"):
    return ScalingRecord(f"2026-01-01T00:{minute:02}:00Z", knob, 1, 2, reason)


FULL = tuple(record(minute) for minute in range(10, 10 + LONGEST_HISTORY))


@pytest.fixture
def merge(observed, deployment, config):
    """Merge a history with what the children carry."""

    def run(old, replicas=None, batch=None):
        return history.merge_history(
            observed(
                status=AsrServiceStatus(scaling_history=old),
                deployment=deployment(replicas_record=replicas),
                config=config(batch_record=batch),
            )
        )

    return run


@pytest.mark.parametrize(
    ("old", "replicas", "batch", "new"),
    [
        ((), None, None, ()),
        ((), record(1), None, (record(1),)),
        ((), record(2), record(1, "batchSize"), (record(1, "batchSize"), record(2))),
        ((record(1),), record(1), None, (record(1),)),
        ((record(1),), record(2), None, (record(1), record(2))),
        ((record(1),), record(2, reason="Created"), None, (record(1),)),
        ((record(1),), record(2, reason="SpecChanged"), None, None),
        (FULL, record(59), None, (*FULL[1:], record(59))),
        (FULL, FULL[-1], record(1, "batchSize"), FULL),
    ],
    ids=[
        "nothing happened",
        "a change",
        "two changes in their order",
        "a change that is known",
        "one more change",
        "a creation is no change",
        "a change of the spec",
        "the oldest goes",
        "a record that newer ones pushed out does not come back",
    ],
)
def test_the_history_takes_over_what_children_carry_once(merge, old, replicas, batch, new):
    expected = (*old, replicas) if new is None else new
    merged = merge(old, replicas, batch)
    assert merged == expected
    assert merge(merged, replicas, batch) == merged


def test_a_history_without_children_stays(observed):
    status = AsrServiceStatus(scaling_history=FULL)
    assert history.merge_history(observed(status=status)) == FULL


def test_new_records_are_found():
    assert history.find_new_records((), FULL) == FULL
    assert history.find_new_records(FULL, (*FULL[1:], record(59))) == (record(59),)
    assert history.find_new_records(FULL, FULL) == ()


def test_the_autoscaler_remembers_what_it_understands():
    known = replace(record(1), inputs=(("demand", "3"),))
    changes = history.read_changes((known, record(2, reason="FromALaterVersion")))
    assert changes == (
        Change(1767225660.0, "replicas", 1, 2, Reason.CAPACITY_NEEDED, (("demand", "3"),)),
    )
