"""How long a batch takes: T = a + c * padded audio seconds, learned from means of a window.

A round is one batch of the recognizer with its share of the work of all other stages. The fit is
recursive least squares in centred form, with exponential forgetting:

- The level, the mean round, follows every point.
- The slope `c` learns, and forgets, only from points that differ from the mean; while batches do
  not vary, what was learned stays. Before that it is the prior: starting a batch costs as much as
  `PRIOR_START_S` padded seconds.

The same model tells what a round uses of a CPU limit, reading sockets and decoding included.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from asr_operator.state.load import BatchPoint, StageLoad

MAIN_STAGE = "asr"
PRIOR_START_S = 6.0  # measured with Paraformer on one CPU thread; larger on a GPU
PRIOR_DOUBT = 0.01  # the prior counts as much as batches that vary by the root of this, 10 %
FORGETTING = 0.1
VARIES_RATIO = 0.1
LEAST_SLOPE_RATIO = 0.05


@dataclass(frozen=True, slots=True)
class Round:
    """The mean round: padded audio seconds, seconds busy, and items of the recognizer's batch."""

    padded_s: float
    busy_s: float
    items: float


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """What was learned from `points` rounds: their means, variance and covariance."""

    points: int = 0
    padded_s: float = 0.0
    busy_s: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0

    @property
    def slope(self) -> float:
        """Busy seconds per padded audio second; at least one point must have been learned."""
        proportional = self.busy_s / self.padded_s
        prior = self.busy_s / (self.padded_s + PRIOR_START_S)
        doubt = PRIOR_DOUBT * self.padded_s**2
        slope = (self.covariance + doubt * prior) / (self.variance + doubt)
        return min(proportional, max(LEAST_SLOPE_RATIO * proportional, slope))

    def predict_s(self, padded_s: float) -> float:
        """Return how long a round with that many padded audio seconds takes."""
        return self.busy_s + self.slope * (padded_s - self.padded_s)

    def learn(self, padded_s: float, busy_s: float) -> "ServiceModel":
        """Return the model after one more point; both values are positive."""
        if self.points == 0:
            return ServiceModel(1, padded_s, busy_s)
        gain = max(FORGETTING, 1 / (self.points + 1))
        padded_step, busy_step = padded_s - self.padded_s, busy_s - self.busy_s
        variance, covariance = self.variance, self.covariance
        if abs(padded_step) > VARIES_RATIO * self.padded_s:
            variance = (1 - gain) * (variance + gain * padded_step**2)
            covariance = (1 - gain) * (covariance + gain * padded_step * busy_step)
        return ServiceModel(
            points=self.points + 1,
            padded_s=self.padded_s + gain * padded_step,
            busy_s=self.busy_s + gain * busy_step,
            variance=variance,
            covariance=covariance,
        )


def measure_round(stages: Sequence[StageLoad]) -> Round | None:
    """Return the mean round of a window, None when the recognizer ran no batch."""
    main = next((stage for stage in stages if stage.stage == MAIN_STAGE), None)
    if main is None or main.batches_per_s <= 0 or main.padded_audio_ratio <= 0:
        return None
    busy_ratio = sum(stage.busy_ratio for stage in stages)
    if busy_ratio <= 0:
        return None
    return Round(
        padded_s=main.padded_audio_ratio / main.batches_per_s,
        busy_s=busy_ratio / main.batches_per_s,
        items=max(1.0, main.items_per_s / main.batches_per_s),
    )


def refit(points: Iterable[BatchPoint]) -> ServiceModel:
    """Return the model that the mean batches of the past teach, oldest first."""
    model = ServiceModel()
    ordered = sorted(points, key=lambda point: point.at)
    for _, minute in groupby(ordered, key=lambda point: point.at):
        stages = tuple(
            StageLoad(
                stage=point.stage,
                batches_per_s=point.batches_per_s,
                items_per_s=0.0,
                padded_audio_ratio=point.batches_per_s * point.padded_audio_s,
                busy_ratio=point.batches_per_s * point.busy_s,
                size_bound_ratio=0.0,
            )
            for point in minute
        )
        if (mean := measure_round(stages)) is not None:
            model = model.learn(mean.padded_s, mean.busy_s)
    return model
