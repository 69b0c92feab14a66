"""The history of changes in the status, made of the records that the children carry.

A record is taken over once, however often it is seen; the creation of a child is no change. The
history alone gives an operator that was restarted its memory of changes.
"""

from collections.abc import Iterable

from asr_operator.api import status
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import LONGEST_HISTORY, ScalingRecord
from asr_operator.state.observed import Observed
from asr_operator.state.scaling import Change

KNOWN_REASONS = frozenset(Reason)


def merge_history(observed: Observed) -> tuple[ScalingRecord, ...]:
    """Return the history with what the children carry and it lacks, oldest first."""
    history = observed.status.scaling_history
    deployment, config = observed.deployment, observed.config
    carried = (
        deployment.replicas_record if deployment else None,
        config.batch_record if config else None,
    )
    missing = [
        record
        for record in carried
        if record is not None and record.reason != Reason.CREATED and not _has(history, record)
    ]
    merged = sorted((*history, *missing), key=lambda record: record.time)
    return tuple(merged[-LONGEST_HISTORY:])


def find_new_records(
    old: tuple[ScalingRecord, ...], new: tuple[ScalingRecord, ...]
) -> tuple[ScalingRecord, ...]:
    """Return the records that a newer history gained."""
    return tuple(record for record in new if record not in old)


def read_changes(history: Iterable[ScalingRecord]) -> tuple[Change, ...]:
    """Return a history as the autoscaler remembers it; without reasons it does not know."""
    return tuple(
        Change(
            at=status.parse_time(record.time).timestamp(),
            knob=record.knob,
            from_=record.from_,
            to=record.to,
            reason=Reason(record.reason),
            inputs=record.inputs,
        )
        for record in history
        if record.reason in KNOWN_REASONS
    )


def _has(history: tuple[ScalingRecord, ...], record: ScalingRecord) -> bool:
    """Return whether a record is in a history, or was before newer ones pushed it out."""
    is_full = len(history) == LONGEST_HISTORY
    return record in history or (is_full and record.time < history[0].time)
