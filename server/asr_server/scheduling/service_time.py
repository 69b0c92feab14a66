"""How long a stage takes for a batch, learned from the batches that ran. Pure: values in and out.

The model is a line over the padded audio seconds of a batch: a start, and so much per second. Older
batches are forgotten, so that it follows a device whose speed changes.
"""

from dataclasses import dataclass
from typing import NamedTuple

ENOUGH_BATCHES = 5.0  # before that nothing is predicted
KEEP_RATIO = 0.98  # the weight that a batch keeps per later batch: about the last fifty count
DEFAULT_START_PADDED_S = 5.0  # while unknown, starting a batch counts as much as this much audio
MOST_START_PADDED_S = 200.0
DOUBT_BATCHES = 10.0  # the default weighs as much as this many measured batches
_LEAST_SPREAD_RATIO = 0.1  # batches of one length say nothing about the slope


class Line(NamedTuple):
    """A start, and so much per padded second."""

    mean_s: float
    start_padded_s: float
    mean_padded_s: float

    def predict_s(self, padded_s: float) -> float:
        """Return the seconds that a batch will take."""
        return self.mean_s * (padded_s + self.start_padded_s) / self.mean_padded_s


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """The decayed sums of a least-squares line through (padded seconds, busy seconds)."""

    count: float = 0.0
    sum_x: float = 0.0
    sum_y: float = 0.0
    sum_xx: float = 0.0
    sum_xy: float = 0.0

    def after(self, padded_s: float, busy_s: float) -> "ServiceTime":
        """Return the model that has also seen this batch."""
        return ServiceTime(
            count=self.count * KEEP_RATIO + 1.0,
            sum_x=self.sum_x * KEEP_RATIO + padded_s,
            sum_y=self.sum_y * KEEP_RATIO + busy_s,
            sum_xx=self.sum_xx * KEEP_RATIO + padded_s * padded_s,
            sum_xy=self.sum_xy * KEEP_RATIO + padded_s * busy_s,
        )

    def predict_s(self, padded_s: float) -> float | None:
        """Return the seconds that a batch will take, or None while too little is known."""
        return self.find_line().predict_s(padded_s) if self.count >= ENOUGH_BATCHES else None

    def find_line(self) -> "Line":
        """Return what a batch will take, by its padded seconds; nothing while little is known."""
        if self.count < ENOUGH_BATCHES:
            return Line(0.0, 0.0, 1.0)
        start_padded_s = self._measured_start_padded_s()
        mean_x, mean_y = self.sum_x / self.count, self.sum_y / self.count
        return Line(mean_y, start_padded_s, mean_x + start_padded_s)

    @property
    def start_padded_s(self) -> float:
        """The padded audio seconds that cost as much as starting a batch does.

        Measured and default are weighed by the batches behind them: a few odd ones, on a machine
        that others use too, must not make padding look free or forbidden.
        """
        if self.count < ENOUGH_BATCHES:
            return DEFAULT_START_PADDED_S
        trust = self.count / (self.count + DOUBT_BATCHES)
        return trust * self._measured_start_padded_s() + (1 - trust) * DEFAULT_START_PADDED_S

    def _measured_start_padded_s(self) -> float:
        mean_x, mean_y = self.sum_x / self.count, self.sum_y / self.count
        spread = self.sum_xx / self.count - mean_x * mean_x
        if spread <= (_LEAST_SPREAD_RATIO * mean_x) ** 2:
            return DEFAULT_START_PADDED_S
        slope = (self.sum_xy / self.count - mean_x * mean_y) / spread
        start_s = mean_y - slope * mean_x
        if slope * MOST_START_PADDED_S <= start_s:
            return MOST_START_PADDED_S
        return max(0.0, start_s / slope)
