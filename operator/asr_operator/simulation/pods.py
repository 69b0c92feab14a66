"""The server pods of a simulated Deployment: they start, become ready, drain and die.

Pods that are removed first are those that are not ready, then those with the fewest sessions.
A pod costs from its creation until it is gone, as a GPU is held all that time.
"""

import random
from dataclasses import dataclass, field

from asr_operator.simulation import columns, sessions
from asr_operator.simulation.columns import State

SLOTS = 128


@dataclass(slots=True)
class Pod:
    """A pod, and which columns of the state are its own."""

    slot: int
    created_at: float
    ready_at: float
    drains: bool = False

    @property
    def name(self) -> str:
        """Return the name that the pod has."""
        return f"pod-{self.slot}"


@dataclass(slots=True)
class Pods:
    """The pods of a service; `held_s` is the time that those already gone were held."""

    state: State
    cold_start_s: tuple[float, float]
    draw: random.Random
    desired: int = 0
    alive: list[Pod] = field(default_factory=list)
    held_s: float = 0.0

    def start(self, replicas: int) -> None:
        """Begin with pods that are ready."""
        self.desired = replicas
        for _ in range(replicas):
            self.alive.append(Pod(self._find_slot(), -self.draw.uniform(*self.cold_start_s), 0.0))
        self.settle(0.0)

    def resize(self, replicas: int, now: float) -> None:
        """Create pods, or remove some."""
        self.desired = replicas
        wanted = [pod for pod in self.alive if not pod.drains]
        for _ in range(min(replicas - len(wanted), SLOTS - len(self.alive))):
            self.alive.append(
                Pod(self._find_slot(), now, now + self.draw.uniform(*self.cold_start_s))
            )
        wanted.sort(key=lambda pod: (pod.ready_at <= now, self.state.sessions[pod.slot]))
        for pod in wanted[: max(0, len(wanted) - replicas)]:
            if pod.ready_at > now:
                self._end(pod, now)
            else:
                pod.drains = True
                self.state.is_draining[pod.slot] = 1
        self._tell(now)

    def kill(self, ratio: float, now: float) -> None:
        """Let a share of the ready pods die, one at least; new ones take their place."""
        ready = self.find_ready(now)
        for pod in self.draw.sample(ready, min(len(ready), max(1, round(ratio * len(ready))))):
            self._end(pod, now)
            sessions.kill(self.state, pod.slot, now)
        self.resize(self.desired, now)
        self.settle(now)

    def settle(self, now: float) -> None:
        """Take note of pods that became ready, or have drained."""
        for pod in [pod for pod in self.alive if pod.drains]:
            slot = pod.slot
            idle = self.state.sessions[slot] <= 0 and self.state.first[slot] == columns.NOBODY
            if idle and self.state.free_at[slot] <= now:
                self._end(pod, now)
        self._tell(now)

    def find_ready(self, now: float) -> list[Pod]:
        """Return the pods that take new sessions."""
        return [pod for pod in self.alive if pod.ready_at <= now and not pod.drains]

    def find_starting(self, now: float) -> list[Pod]:
        """Return the pods that are not ready yet."""
        return [pod for pod in self.alive if pod.ready_at > now]

    def cold_start_measured_s(self, now: float) -> float | None:
        """Return the median of how long the ready pods took."""
        times = sorted(pod.ready_at - pod.created_at for pod in self.find_ready(now))
        return times[(len(times) - 1) // 2] if times else None

    def total_held_s(self, now: float) -> float:
        """Return for how long pods were held since the beginning, all together."""
        return self.held_s + sum(now - max(0.0, pod.created_at) for pod in self.alive)

    def _end(self, pod: Pod, now: float) -> None:
        self.alive.remove(pod)
        self.held_s += now - max(0.0, pod.created_at)
        self.state.is_draining[pod.slot] = 0

    def _find_slot(self) -> int:
        taken = {pod.slot for pod in self.alive}
        return next(slot for slot in range(SLOTS) if slot not in taken)

    def _tell(self, now: float) -> None:
        """Write into the state which pods take sessions, and which drain."""
        roles = (
            (self.state.ready, columns.READY, self.find_ready(now)),
            (self.state.draining, columns.DRAINING, [pod for pod in self.alive if pod.drains]),
        )
        for column, cursor, pods in roles:
            for position, pod in enumerate(pods):
                column[position] = pod.slot
            self.state.cursors[cursor] = len(pods)
