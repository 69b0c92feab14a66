"""What one run is worth: its figures, and what many of them say together."""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise

from asr_operator.simulation import columns
from asr_operator.simulation.run import Outcome

LATE_SHARE = 0.05
# Student's t for 95 %, two-sided, by degrees of freedom from 1; beyond, that of 30 is wide enough.
STUDENT_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)

Figures = dict[str, float]


def measure(outcome: Outcome) -> Figures:
    """Return the figures of a run; changes are per hour."""
    hours = outcome.duration_s / 3600
    return {
        "violation_ratio": outcome.violation_ratio,
        "gpu_hours": outcome.pods_s / 3600,
        "changes": outcome.changed / hours,
        "moved_sessions": outcome.counters[columns.MOVED],
        "dropped_sessions": outcome.counters[columns.DROPPED],
        "recovery_s": find_recovery_s(outcome),
    }


def find_recovery_s(outcome: Outcome) -> float:
    """Return the longest time in which more than a twentieth of the finals of each scrape was late.

    A scrape without a final belongs to what is around it.
    """
    longest = begin = 0.0
    rows = outcome.rows
    for old, new in pairwise(rows):
        finals = new.counters[columns.FINALS] - old.counters[columns.FINALS]
        late = new.counters[columns.LATE] - old.counters[columns.LATE]
        if late <= LATE_SHARE * finals and finals:
            begin = new.at
        longest = max(longest, new.at - max(begin, rows[0].at))
    return longest


def summarize(runs: Sequence[Mapping[str, float]]) -> dict[str, float | list[float]]:
    """Return means, each with its 95 % confidence interval (Student) as NAME_interval."""
    found: dict[str, float | list[float]] = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        mean = statistics.fmean(values)
        half = 0.0
        if len(values) > 1:
            wide = STUDENT_95[min(len(values) - 1, len(STUDENT_95)) - 1]
            half = wide * statistics.stdev(values) / math.sqrt(len(values))
        found[name] = mean
        found[f"{name}_interval"] = [mean - half, mean + half]
    return found
