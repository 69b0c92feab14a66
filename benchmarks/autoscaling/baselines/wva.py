"""The saturation analyzer of llm-d's Workload Variant Autoscaler, with one variant.

KV-cache usage is the share of session places that is taken, its queue the utterances that wait.
Source: workload-variant-autoscaler, docs/saturation-analyzer.md: from the highest values of a
minute, one replica more when the mean spare of replicas that are not saturated is too small, one
fewer when the others would keep enough; nothing while replicas start. Every 60 s (its
GLOBAL_OPT_INTERVAL), through an HPA whose window for scaling down it recommends as 120 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asr_operator.simulation.policies import View, Wanted
from benchmarks.autoscaling.baselines.hpa import Stabilizer

OPTIMIZE_S = 60.0

Replica = tuple[float, float]
"""KV-cache usage and queue length."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a replica is saturated, and how much it must have to spare."""

    usage: float = 0.8
    queue: float = 5.0
    spare_usage: float = 0.1
    spare_queue: float = 3.0


def compute_step(replicas: Sequence[Replica], limits: Thresholds) -> int:
    """Return 1 for one more, -1 for one fewer, 0 for neither."""
    free = [(usage, queue) for usage, queue in replicas if usage < limits.usage]
    free = [(usage, queue) for usage, queue in free if queue < limits.queue]
    if not free:
        return 1 if replicas else 0
    usage, queue = (sum(each) for each in zip(*free, strict=True))
    count = len(free)
    spare = (limits.usage - usage / count, limits.queue - queue / count)
    if spare[0] < limits.spare_usage or spare[1] < limits.spare_queue:
        return 1
    if count < 2:
        return 0
    left = (limits.usage - usage / (count - 1), limits.queue - queue / (count - 1))
    return -1 if left[0] >= limits.spare_usage and left[1] >= limits.spare_queue else 0


@dataclass(slots=True)
class Wva:
    """The analyzer of one model with one variant."""

    limits: Thresholds
    stabilizer: Stabilizer
    batch_size: int
    interval_s: float = OPTIMIZE_S

    def decide(self, view: View) -> Wanted:
        """Decide on the highest values of the last minute."""
        fleet = view.fleet
        if len(fleet.ready) != fleet.desired:
            return Wanted(fleet.desired, self.batch_size)
        step = compute_step(self._measure(view), self.limits)
        wanted = max(1, len(fleet.ready) + step)
        return Wanted(self.stabilizer.limit(wanted, fleet.desired, view.now), self.batch_size)

    def _measure(self, view: View) -> list[Replica]:
        recent = [each for each in view.telemetry.scrapes[-8:] if each.at > view.now - OPTIMIZE_S]
        return [
            (
                max((each.sessions.get(name, 0) for each in recent), default=0)
                / view.fleet.max_sessions,
                float(max((each.queued.get(name, 0) for each in recent), default=0)),
            )
            for name in view.fleet.ready
        ]
