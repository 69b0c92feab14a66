"""Knative's pod autoscaler; its concurrency is open sessions, as a WebSocket is one request.

Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go and config-autoscaler: every 2 s, mean
over a stable window of 60 s and a panic window of 6 s, panic from twice the target on, no fewer
pods while it lasts, at most 1000 times up and half down at a time. It asks the pods itself.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from asr_operator.simulation.policies import View, Wanted

TICK_S = 2.0


@dataclass(slots=True)
class Kpa:
    """The decider of one revision."""

    target: float
    most: int
    batch_size: int
    stable_s: float = 60.0
    panic_ratio: float = 0.1
    panic_threshold: float = 2.0
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    interval_s: float = TICK_S
    seen: deque[tuple[float, int]] = field(default_factory=deque)
    panicked_at: float | None = None
    panic_pods: int = 0

    def decide(self, view: View) -> Wanted:
        """Decide on sessions per target, as one tick does; it begins in panic mode."""
        ready = len(view.fleet.ready)
        if not self.seen and ready > 1:
            self.panicked_at, self.panic_pods = view.now, ready
        self.seen.append((view.now, sum(view.sessions)))
        while self.seen[0][0] <= view.now - self.stable_s:
            self.seen.popleft()
        panic_since = view.now - self.panic_ratio * self.stable_s
        stable = [sessions for _, sessions in self.seen]
        panic = [sessions for at, sessions in self.seen if at > panic_since]
        means = sum(stable) / len(stable), sum(panic) / len(panic)
        wanted = self.scale(*means, ready, view.now)
        return Wanted(max(1, min(self.most, wanted)), self.batch_size)

    def scale(self, stable: float, panic: float, ready: int, now: float) -> int:
        """Return the pods for a mean concurrency over both windows."""
        pods = max(1, ready)
        highest, lowest = math.ceil(self.max_up_rate * pods), pods // self.max_down_rate
        by_panic = math.ceil(panic / self.target)
        wanted = int(min(max(math.ceil(stable / self.target), lowest), highest))
        urgent = int(min(max(by_panic, lowest), highest))
        if by_panic / pods >= self.panic_threshold:
            self.panicked_at = now
        elif self.panicked_at is not None and now - self.panicked_at > self.stable_s:
            self.panicked_at, self.panic_pods = None, 0
        if self.panicked_at is None:
            return wanted
        self.panic_pods = max(self.panic_pods, wanted, urgent)
        return self.panic_pods
