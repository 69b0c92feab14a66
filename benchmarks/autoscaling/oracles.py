"""Policies that know what no policy can: upper bounds for comparison.

Both know exactly what a pod serves, and the rate of speech without delay or noise. `oracle_now`
knows the present rate only; `oracle_future` the whole load, so that pods are ready when they are
needed and go when they are not. Each second's need is the mean rate of the seconds around it over
what a pod serves at a utilization that is chosen (`tuning`): for the one that knows the future, on
the very load that it is then measured on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr_operator.simulation import batches
from asr_operator.simulation.policies import View, Wanted
from asr_operator.simulation.profiles import Profile
from asr_operator.simulation.workload import Workload

TICK_S = 5.0
MEAN_UTTERANCE_S = 3.5


@dataclass(frozen=True, slots=True)
class Aim:
    """How full pods shall be, over how long a rate is a mean, and how long a need is kept."""

    utilization: float
    mean_s: int = 30
    keep_s: int = 60


def served(profile: Profile, batch_size: int) -> float:
    """Return the audio seconds per second that a busy pod computes."""
    padded_s = batch_size * MEAN_UTTERANCE_S * (1 + profile.costs.padding_ratio)
    return batch_size * MEAN_UTTERANCE_S / batches.mean_s(profile.costs, padded_s)


def rate_by_second(workload: Workload) -> np.ndarray:
    """Return the audio that arrives in each second."""
    seconds = math.ceil(workload.duration_s) + 1
    due = np.asarray(workload.due_s).astype(int)
    return np.bincount(due, weights=np.asarray(workload.audio_s), minlength=seconds)


def mean_of(rates: np.ndarray, length_s: int, *, centred: bool) -> np.ndarray:
    """Return the moving mean: of the seconds before, or of those around."""
    sums = np.concatenate(([0.0], np.cumsum(rates)))
    at = np.arange(len(rates))
    after = length_s // 2 if centred else 0
    first = np.clip(at - length_s + 1 + after, 0, None)
    last = np.clip(at + 1 + after, None, len(rates))
    means: np.ndarray = (sums[last] - sums[first]) / np.maximum(1, last - first)
    return means


@dataclass(slots=True)
class Oracle:
    """Follows a need by second; `ahead_s` (from, to) is the stretch of it that counts."""

    need: Sequence[int] | np.ndarray
    ahead_s: tuple[int, int]
    most: int
    batch_size: int
    interval_s: float = TICK_S

    def decide(self, view: View) -> Wanted:
        """Return the highest need of the stretch."""
        now, last = int(view.now), len(self.need) - 1
        begin, end = (min(last, max(0, now + offset)) for offset in self.ahead_s)
        wanted = int(max(self.need[begin : end + 1]))
        return Wanted(max(1, min(self.most, wanted)), self.batch_size)


def know_future(
    workload: Workload, profile: Profile, aim: Aim, batch_size: int, most: int
) -> Oracle:
    """Return the oracle that knows all; a pod is asked for as long before as it may take."""
    means = mean_of(rate_by_second(workload), aim.mean_s, centred=True)
    need = np.ceil(means / (aim.utilization * served(profile, batch_size))).astype(int)
    ahead_s = (0, math.ceil(profile.cold_start_s[1] + TICK_S))
    return Oracle(need, ahead_s, most, batch_size)


def know_present(
    workload: Workload, profile: Profile, aim: Aim, batch_size: int, most: int
) -> Oracle:
    """Return the oracle that knows the present; it keeps pods for a while, as it knows no more."""
    means = mean_of(rate_by_second(workload), aim.mean_s, centred=False)
    need = np.ceil(means / (aim.utilization * served(profile, batch_size))).astype(int)
    return Oracle(need, (-aim.keep_s, 0), most, batch_size)
