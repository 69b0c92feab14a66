"""AIBrix's own autoscaler; its KV-cache usage is the share of session places that is taken.

Source: aibrix, metric-based-autoscaling.rst and algorithm/apa.go: mean over 180 s, tolerances of
0.1, at most twice up and half down at a time, the highest recommendation of 300 s when scaling
down; target 0.5 in its examples. It asks the pods itself, every 10 s.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from asr_operator.simulation.policies import View, Wanted
from benchmarks.autoscaling.baselines.hpa import Stabilizer

SYNC_S = 10.0


def compute_target(
    pods: float, value: float, target: float, rates: tuple[float, float] = (2.0, 2.0)
) -> int:
    """Return the replicas for a mean per pod; `rates` are the most up and down at a time."""
    ratio = value / target
    if ratio > 1.1 + 1e-9:
        return min(math.ceil(pods * ratio - 1e-9), math.ceil(rates[0] * pods))
    if ratio < 0.9 - 1e-9:
        return max(math.ceil(pods * ratio - 1e-9), math.floor(pods / rates[1]))
    return int(pods)


@dataclass(slots=True)
class Apa:
    """The autoscaler of one service."""

    target: float
    stabilizer: Stabilizer
    batch_size: int
    observe_s: float = 180.0
    interval_s: float = SYNC_S
    seen: deque[tuple[float, float]] = field(default_factory=deque)

    def decide(self, view: View) -> Wanted:
        """Decide on the share of places that are taken."""
        ready = len(view.fleet.ready)
        if not ready:
            return Wanted(view.fleet.desired, self.batch_size)
        taken = sum(view.sessions) / (ready * view.fleet.max_sessions)
        self.seen.append((view.now, taken))
        while self.seen[0][0] <= view.now - self.observe_s:
            self.seen.popleft()
        mean = sum(value for _, value in self.seen) / len(self.seen)
        wanted = compute_target(ready, mean, self.target)
        if wanted < view.fleet.desired or ready == view.fleet.desired:
            return Wanted(
                self.stabilizer.limit(wanted, view.fleet.desired, view.now), self.batch_size
            )
        return Wanted(view.fleet.desired, self.batch_size)
