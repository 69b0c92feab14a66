"""What the autoscaler is told, what it remembers between two ticks, and what it decides. Values only.

Everything that is remembered can be read back from the cluster and Prometheus after a restart.
"""

from dataclasses import dataclass
from typing import Literal

from asr_operator.api.names import Reason

Knob = Literal["replicas", "batchSize"]
Knowledge = Literal["loaded", "idle", "unknown"]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The server pods as the cluster sees them; terminating ones are not counted.

    `unready` are pods that may still become ready (within their progress deadline);
    `blocked` is why more pods cannot be had (quota, no node), if so. `cold_start_s` is the
    measured time from the creation of a pod to its readiness.
    """

    desired: int
    ready: tuple[str, ...]
    unready: int = 0
    terminating: int = 0
    blocked: str | None = None
    cold_start_s: float | None = None
    batch_size: int = 1
    batch_generation: int = 0
    max_sessions: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was decided, the record of status.scalingHistory; times are Unix seconds."""

    at: float
    knob: Knob
    from_: int
    to: int
    reason: Reason
    inputs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """What the autoscaler wants now.

    `replicas` and `batch_size` equal what is in force when nothing is to change; at most one of
    them differs. `changes` has the record of it, or nothing. `limited` says that bounds kept a
    knob from where it should be.
    """

    knowledge: Knowledge
    replicas: int
    batch_size: int
    reason: Reason
    message: str
    changes: tuple[Change, ...] = ()
    recommended_replicas: int | None = None
    limited: str | None = None
    slo_met: bool | None = None
    unattainable: bool = False
    load: tuple[tuple[str, str], ...] = ()
