"""What a reconcile decided to do, and what came of it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from asr_operator.api.names import Reason

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and what to do about it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The children as they should be, in the order to apply them; none while something forbids it.

    `spec_problem` is what makes the spec unusable, `hold` why nothing may be changed.
    """

    children: tuple[Manifest, ...] = ()
    spec_problem: Problem | None = None
    hold: Problem | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that the API server refuses; `is_invalid` when the spec is to blame."""

    kind: str
    name: str
    message: str
    is_invalid: bool
