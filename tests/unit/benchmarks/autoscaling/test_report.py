"""Figures of runs, and what is compared with what."""

import numpy as np
import pytest

from asr_operator.simulation import columns
from asr_operator.simulation.profiles import Costs, Profile
from asr_operator.simulation.run import Outcome, Row
from asr_operator.simulation.workload import Call, build_workload
from benchmarks.autoscaling import measure, oracles, report
from benchmarks.autoscaling.contest import RULES, Stage
from benchmarks.autoscaling.loads import LOADS
from benchmarks.autoscaling.tuning import load_tuned


def outcome(*late):
    """Ten finals come at each scrape, and some of them late."""
    rows, counters = [], [0.0] * columns.COUNTERS
    for place, count in enumerate((0, *late)):
        counters[columns.FINALS] += 10
        counters[columns.LATE] += count
        rows.append(Row(15.0 * place, 2, 2, 4, 10, tuple(counters)))
    return Outcome(1800.0, rows[-1].counters, 7200.0, (), 3, tuple(rows))


def test_a_run_has_its_figures():
    figures = measure.measure(outcome(0, 5, 5, 0))
    assert figures["violation_ratio"] == 10 / 50
    assert figures["gpu_hours"] == 2
    assert figures["changes"] == 6


@pytest.mark.parametrize(
    ("late", "expected_s"),
    [((0, 0, 0), 0), ((0, 3, 0), 15), ((0, 3, 3, 0, 3), 30), ((3, 3, 3), 45)],
)
def test_recovery_is_the_longest_breach(late, expected_s):
    found = measure.find_recovery_s(outcome(*late))
    assert found == pytest.approx(expected_s)


def test_a_summary_has_means_and_intervals():
    found = measure.summarize([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])
    assert found["a"] == 2
    assert found["a_interval"] == pytest.approx([2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5])


@pytest.mark.parametrize(("many", "wide"), [(2, 12.706), (6, 2.571), (30, 2.045), (40, 2.042)])
def test_few_runs_say_less_than_many(many, wide):
    values = [1.0] * (many // 2) + [3.0] * (many // 2)
    low, high = measure.summarize([{"a": value} for value in values])["a_interval"]
    deviation = (many / (many - 1)) ** 0.5
    assert high - low == pytest.approx(2 * wide * deviation / many**0.5)


POINTS = [(0.1, 2.0), (0.01, 4.0), (0.001, 6.0), (0.05, 5.0)]


@pytest.mark.parametrize(
    ("violations", "hours"),
    [
        (0.01, 4.0),
        (0.1, 2.0),
        (0.5, 2.0),
        (0.001, 6.0),
        (0.0001, None),
        (0.0316228, 3.0),
    ],
)
def test_equal_violations_lie_between_the_cheapest_points(violations, hours):
    found = report.hours_at(POINTS, violations)
    assert found == (pytest.approx(hours, rel=1e-3) if hours else None)


def test_the_oracle_knows_what_comes_and_no_earlier_than_it_may():
    profile = Profile(Costs(0.0, 0.05), cold_start_s=(20.0, 30.0))
    calls = [Call(100.0 + number / 10, 20.0) for number in range(100)]
    workload = build_workload(calls, 300.0, seed=1)
    aim = oracles.Aim(0.7, mean_s=10)
    future = oracles.know_future(workload, profile, aim, 4, 40)
    present = oracles.know_present(workload, profile, aim, 4, 40)
    first = int(np.flatnonzero(np.asarray(future.need) > 1)[0])
    assert 95 <= first <= 112
    assert max(present.need) == pytest.approx(max(future.need), abs=2)


def test_every_policy_can_be_made_on_every_load():
    tuned = load_tuned()
    assert set(tuned["oracle_future"]) == set(LOADS)
    workload = build_workload([Call(0.0, 5.0)], 10.0, seed=1)
    for kind in ("gpu", "cpu", "quota"):
        for name, rule in RULES.items():
            settings = {**rule.defaults, **tuned[kind].get(name, {})}
            assert rule.make(settings, Stage(workload, Profile(Costs(0.1, 0.02)))).interval_s > 0
