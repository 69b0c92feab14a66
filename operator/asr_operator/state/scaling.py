"""What the autoscaler is told of the fleet, what it decides, and the record of it. Values only.

What it remembers between two ticks is `asr_operator.autoscaler.memory.Memory`: all of it can be
read back from the cluster and Prometheus after a restart.
"""

from dataclasses import dataclass
from typing import Literal

from asr_operator.api.names import Reason
from asr_operator.api.schedules import Bounds
from asr_operator.state.plan import Problem

Knob = Literal["replicas", "batchSize"]
Knowledge = Literal["loaded", "idle", "unknown"]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The server pods as the cluster sees them; terminating ones are not counted.

    `desired` is the number of replicas in force, the spec's before any is; `unready` are pods
    that may still become ready (within their progress deadline); `blocked` is why more pods cannot
    be had (quota, no node), if so. `cold_start_s` is the measured time from the creation of a pod
    to its readiness. `batch_size` is what the ConfigMap says, the spec's before there is one.
    """

    desired: int
    ready: tuple[str, ...]
    unready: int = 0
    blocked: str | None = None
    cold_start_s: float | None = None
    batch_size: int = 1
    max_sessions: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was decided, the record of status.scalingHistory; `at` in Unix seconds.

    `inputs` are what it rests on, as text: numbers, or the name and the bounds of schedules, or
    nothing; `autoscaler.explain` says how they are written and read.
    """

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
    them differs by a decision of the autoscaler, and then `changes` has the record of it. In mode
    Recommend nothing changes, and the recommended values say what would. `metrics` is what is
    missing of the load, `limited` what keeps replicas from where they should be, `bounds` are what
    schedules make of those of the spec.
    `slo_met` is None while latency is undefined; `unattainable` says that no decision can help.
    """

    knowledge: Knowledge
    replicas: int
    batch_size: int
    reason: Reason
    message: str
    changes: tuple[Change, ...] = ()
    recommended_replicas: int | None = None
    recommended_batch_size: int | None = None
    metrics: Problem | None = None
    limited: Problem | None = None
    slo_met: bool | None = None
    unattainable: bool = False
    bounds: Bounds | None = None
