"""What replicas and batch size should be, by the modes, and the record of each change.

| spec.autoscaling.mode | replicas      | batch size; always spec.batching.size in mode Fixed |
|-----------------------|---------------|-----------------------------------------------------|
| Auto                  | as decided    | as decided                                          |
| Recommend             | spec.replicas | spec.batching.size                                  |
| External, Off         | spec.replicas | as decided                                          |

In force is what the operator wrote last: what somebody else wrote since is put right, not adopted.
A child carries the record of the operator's last change of its knob, written together with that
change, so that a crash between two writes neither loses a record nor makes a second one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from asr_operator.api import status
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import Knob, ScalingRecord
from asr_operator.api.spec import AsrServiceSpec
from asr_operator.children import config_map
from asr_operator.decisions import delivery
from asr_operator.state.observed import Observed
from asr_operator.state.plan import Knobs
from asr_operator.state.scaling import Change
from asr_operator.state.tick import Tick


@dataclass(frozen=True, slots=True)
class InForce:
    """A knob as the operator wrote it last; `value` is None before it ever did.

    `is_written` says that the child is there, `record` is what it carries.
    """

    value: int | None
    is_written: bool
    record: ScalingRecord | None = None


def decide_knobs(observed: Observed, spec: AsrServiceSpec, tick: Tick, now: datetime) -> Knobs:
    """Return the knobs as they should be."""
    replicas, batch_size = find_replicas(observed), find_batch_size(observed)
    decision = tick.decision
    new_replicas, new_size = spec.replicas, spec.batching.size
    if spec.autoscaling.mode == "Auto":
        start = find_starting_replicas(observed, spec)
        new_replicas = decision.replicas if decision else start
    if is_batch_tuned(spec):
        new_size = decision.batch_size if decision else batch_size.value or new_size
    changes = decision.changes if decision else ()
    return Knobs(
        replicas=new_replicas,
        batch_size=new_size,
        replicas_record=_decide_record("replicas", replicas, new_replicas, changes, now),
        batch_record=_decide_record("batchSize", batch_size, new_size, changes, now),
        told_generation=delivery.find_told_generation(observed, tick),
    )


def are_in_force(observed: Observed, knobs: Knobs) -> bool:
    """Return whether the knobs are as they should be."""
    values = (find_replicas(observed).value, find_batch_size(observed).value)
    return values == (knobs.replicas, knobs.batch_size)


def is_batch_tuned(spec: AsrServiceSpec) -> bool:
    """Return whether the operator chooses the batch size."""
    return spec.batching.mode == "Auto" and spec.autoscaling.mode != "Recommend"


def find_replicas(observed: Observed) -> InForce:
    """Return the number of replicas in force."""
    deployment = observed.deployment
    if deployment is None:
        return InForce(_find_last("replicas", observed), is_written=False)
    record = deployment.replicas_record
    value = record.to if record else deployment.desired
    return InForce(value, is_written=True, record=record)


def find_starting_replicas(observed: Observed, spec: AsrServiceSpec) -> int:
    """Return the number of replicas to go on from: a new service starts with the fewest."""
    in_force = find_replicas(observed).value
    if in_force is not None:
        return in_force
    return spec.autoscaling.min_replicas if spec.autoscaling.mode == "Auto" else spec.replicas


def find_batch_size(observed: Observed) -> InForce:
    """Return the batch size in force."""
    config = observed.config
    if config is None:
        told = observed.status.desired_batch_size or _find_last("batchSize", observed)
        return InForce(told, is_written=False)
    record = config.batch_record
    value = record.to if record else config_map.read_batch_size(config.text)
    return InForce(value, is_written=True, record=record)


def _find_last(knob: Knob, observed: Observed) -> int | None:
    history = reversed(observed.status.scaling_history)
    return next((record.to for record in history if record.knob == knob), None)


def _decide_record(
    knob: Knob, in_force: InForce, value: int, changes: Iterable[Change], now: datetime
) -> ScalingRecord | None:
    """Return the record to carry: of a change, of the creation, or the one that is there."""
    if value == in_force.value and in_force.is_written:
        return in_force.record
    if value == in_force.value or in_force.value is None:
        return ScalingRecord(status.render_time(now), knob, 0, value, Reason.CREATED)
    for change in changes:
        if (change.knob, change.to) == (knob, value):
            return ScalingRecord(
                time=status.render_time(datetime.fromtimestamp(change.at, UTC)),
                knob=knob,
                from_=in_force.value,
                to=value,
                reason=change.reason,
                inputs=tuple(sorted(change.inputs)),
            )
    time = status.render_time(now)
    return ScalingRecord(time, knob, in_force.value, value, Reason.SPEC_CHANGED)
