"""How fast replicas may move, by the rules of the HorizontalPodAutoscaler.

Up: not above the lowest wish of the window; per period the larger of `maxPods` and `maxPercent` of
the replicas at its start. Down: per period one, or `maxPercent` if that is more; not below what the
window says, which differs: the HorizontalPodAutoscaler holds its highest wish, which on a slope is
a whole window's fall too much. Here the trend may fall, and what lay above the trend is held.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from asr_operator.api.autoscaling import ScaleDown, ScaleUp
from asr_operator.autoscaler.memory import Wish
from asr_operator.state.scaling import Change

JITTER_RATIO = 0.9  # ticks come a little early or late
ROUNDING = 1e-6
LEAST_TREND = 10


def stabilize_up(wishes: Sequence[Wish], now: float, window_s: float) -> int:
    """Return the lowest wish of the window; the last wish is always in it."""
    return min(wish.up for wish in wishes if wish.at >= now - window_s or wish is wishes[-1])


def stabilize_down(wishes: Sequence[Wish], now: float, window_s: float) -> int:
    """Return where the trend of the window's wishes stands, and the most that one lay above it.

    Not above the highest wish of the window, nor below the last, which is always in it; and the
    highest while there are too few for a trend.
    """
    window = [wish for wish in wishes if wish.at >= now - window_s or wish is wishes[-1]]
    last, highest = window[-1], max(wish.down for wish in window)
    if len(window) < LEAST_TREND:
        return math.ceil(highest)
    middle = fmean(wish.at for wish in window)
    mean = fmean(wish.down for wish in window)
    spread = sum((wish.at - middle) ** 2 for wish in window)
    slope = sum((wish.at - middle) * (wish.down - mean) for wish in window) / spread
    above = max(wish.down - slope * (wish.at - last.at) for wish in window)
    return math.ceil(min(highest, max(last.down, above)) - ROUNDING)


def limit_up(
    replicas: int, wanted: int, rule: ScaleUp, changes: Sequence[Change], now: float
) -> int:
    """Return how many replicas there may be now, at least as many as there are."""
    steps = _steps(changes, now, rule.period_s)
    start = replicas - sum(step for step in steps if step > 0)
    most = max(start + rule.max_pods, math.ceil(start * (1 + rule.max_percent / 100)))
    return max(replicas, min(wanted, most))


def limit_down(
    replicas: int, wanted: int, rule: ScaleDown, changes: Sequence[Change], now: float
) -> int:
    """Return how few replicas there may be now, at most as many as there are."""
    steps = _steps(changes, now, rule.period_s)
    start = replicas - sum(step for step in steps if step < 0)
    least = start - max(1, math.floor(start * rule.max_percent / 100))
    return min(replicas, max(wanted, least))


def _steps(changes: Sequence[Change], now: float, period_s: float) -> list[int]:
    return [
        change.to - change.from_
        for change in changes
        if change.knob == "replicas" and change.at > now - JITTER_RATIO * period_s
    ]
