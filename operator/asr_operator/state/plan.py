"""What a reconcile decided to do, and what came of it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import ScalingRecord

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and what to do about it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Knobs:
    """Replicas and batch size as they should be, each with the record of its last change.

    `told_generation` is the highest generation of the live configuration that a server was told
    or reports: other content must come with a higher one.
    """

    replicas: int
    batch_size: int
    replicas_record: ScalingRecord | None = None
    batch_record: ScalingRecord | None = None
    told_generation: int = 0


@dataclass(frozen=True, slots=True)
class PodNote:
    """Annotations to write on a server pod."""

    pod: str
    annotations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The children as they should be, in the order to apply them; none while something forbids it.

    `knobs` are what they were built with; `spec_problem` is what makes the spec unusable, `hold`
    why nothing may be changed.
    """

    children: tuple[Manifest, ...] = ()
    knobs: Knobs | None = None
    spec_problem: Problem | None = None
    hold: Problem | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that the API server refuses; `is_invalid` when the spec is to blame."""

    kind: str
    name: str
    message: str
    is_invalid: bool
