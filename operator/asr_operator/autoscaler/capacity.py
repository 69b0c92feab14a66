"""What one replica serves at a batch size while finals stay within the objective.

A round takes as long as the engine is busy with it, or as a CPU limit gives what it uses: whichever
is longer. Below the limit the engine is fast and idle; only the CPU tells how near the limit is.

Latency is predicted as `max_wait + T * (2 + k * u / (1 - u) / b)`: a final waits for the batch that
runs, then for its own, and at utilization `u` for those before it; M/D/1 has a mean wait of
`T * u / (2 * (1 - u))`, and an exponential tail makes it a quantile. Where a batch takes `b` at
once, the tail of the queue is the same in items (the root of `exp(u * b * (z - 1)) = z ** b` is
that of `b = 1`), and so `b` times as short in time. That is a first guess of how full a replica may
be; what is measured (`budget`) replaces it at the batch size in force and above.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache

from asr_operator.api.autoscaling import BatchPolicy, Objectives
from asr_operator.autoscaler.service_model import ServiceModel

TARGET_UTILIZATION = 0.7
LEAST_UTILIZATION = 0.3  # who needs emptier servers than this needs a smaller batch
LATENCY_MARGIN = 0.8
NEAR_BEST = 0.95
STEP_UP, STEP_DOWN = 1.25, 0.7


@dataclass(frozen=True, slots=True)
class Capacity:
    """The model of a replica; loads are in audio seconds that arrive per second.

    `item_padded_s` is what one item adds to a batch, `padded_per_audio` how much is computed for
    one second that arrives. `cpu` is None where no CPU limit is known. `fullness` is how full a
    replica may be with batches of `fullness_size` and above, None while that is only guessed.
    """

    model: ServiceModel
    item_padded_s: float
    padded_per_audio: float
    objectives: Objectives
    batching: BatchPolicy
    cpu: ServiceModel | None = None
    fullness: float | None = None
    fullness_size: int = 0
    # By size, since one decision asks for each several times.
    _services_s: dict[int, float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _limits: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    _best: dict[int | None, int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def service_s(self, size: int) -> float:
        """Return how long a full batch takes, or keeps the CPU that is allowed."""
        if size not in self._services_s:
            full_padded_s = self._full_padded_s(size)
            models = (self.model, self.cpu) if self.cpu else (self.model,)
            self._services_s[size] = max(model.predict_s(full_padded_s) for model in models)
        return self._services_s[size]

    def most(self, size: int) -> float:
        """Return the load that keeps a replica busy all the time, whatever the latency."""
        return self._full_padded_s(size) / self.service_s(size) / self.padded_per_audio

    def served(self, size: int) -> float:
        """Return the load that a replica serves within the objective, or with sane utilization.

        The size is the most, not what batches have: what a smaller one serves, a larger one does.
        """
        sizes = self._ladder(size)
        if self.fullness is not None and size >= self.fullness_size:
            return self.fullness * max(self.most(each) for each in sizes)
        return max(self._served_by_full(each) for each in sizes)

    def is_feasible(self, size: int) -> bool:
        """Return whether replicas that are not nearly empty meet the objective at a size."""
        return self._utilization_limit(size) >= LEAST_UTILIZATION

    def best_size(self, most_size: int | None = None) -> int:
        """Return the smallest feasible size that serves nearly as much as any other."""
        if most_size not in self._best:
            self._best[most_size] = self._find_best_size(most_size)
        return self._best[most_size]

    def _find_best_size(self, most_size: int | None) -> int:
        sizes = [size for size in self._ladder(most_size) if self.is_feasible(size)]
        if not sizes:
            return self.batching.min_size
        most = [self._served_by_full(size) for size in sizes]
        enough = NEAR_BEST * max(most)
        return next(size for size, load in zip(sizes, most, strict=True) if load >= enough)

    def size_for(self, load: float, most_size: int | None = None) -> int:
        """Return the smallest size that serves a load of one replica, the best if none does."""
        best = self.best_size(most_size)
        sizes = (size for size in self._ladder(best) if self._served_by_full(size) >= load)
        return next(sizes, best)

    def _served_by_full(self, size: int) -> float:
        limit = self._utilization_limit(size)
        if self.fullness is None or limit < LEAST_UTILIZATION:
            return self.most(size) * max(LEAST_UTILIZATION, limit)
        is_measured = size >= self.fullness_size
        return self.most(size) * (self.fullness if is_measured else min(limit, self.fullness))

    def _full_padded_s(self, size: int) -> float:
        bounded_s = min(size * self.item_padded_s, float(self.batching.audio_s))
        return max(self.item_padded_s, bounded_s)

    def _utilization_limit(self, size: int) -> float:
        """Return the utilization, 0 to 0.7, up to which the objective is met with a margin."""
        if size not in self._limits:
            allowed_s = LATENCY_MARGIN * self.objectives.final_latency_s
            spare = (allowed_s - self.batching.max_wait_ms / 1000) / self.service_s(size) - 2
            limit = spare / (self._tail_factor(size) + spare) if spare > 0 else 0.0
            self._limits[size] = min(TARGET_UTILIZATION, limit)
        return self._limits[size]

    def _tail_factor(self, size: int) -> float:
        """Return the quantile of an exponential wait for full batches over twice its mean."""
        items = self._full_padded_s(size) / self.item_padded_s
        return -math.log(1 - self.objectives.quantile_ratio) / 2 / items

    def _ladder(self, most_size: int | None) -> tuple[int, ...]:
        """Return the sizes that steps up lead to, from the smallest on."""
        least = self.batching.min_size
        return list_sizes(least, max(least, min(self.batching.max_size, most_size or 1 << 30)))


@lru_cache(maxsize=1024)
def list_sizes(least: int, most: int) -> tuple[int, ...]:
    """Return the sizes that steps up lead to, from the least to the most."""
    sizes = [least]
    while sizes[-1] < most:
        sizes.append(min(most, step_up(sizes[-1])))
    return tuple(sizes)


def step_up(size: int) -> int:
    """Return the next larger size."""
    return math.ceil(size * STEP_UP)


def step_down(size: int) -> int:
    """Return the next smaller size, at least 1."""
    return max(1, math.floor(size * STEP_DOWN))
