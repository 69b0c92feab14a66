"""The autoscaler and a small simulated fleet: what it decides becomes the load it sees next."""

import random
from itertools import pairwise

import pytest

from asr_operator.api.autoscaling import (
    BatchTuning,
    Behavior,
    DemandWindows,
    Fallback,
    ScaleDown,
    ScaleUp,
)
from asr_operator.api.names import Reason

CPU = {"start_s": 0.03, "audio_s": 0.01}
FLAT_GPU = {"start_s": 0.05, "audio_s": 0.001}


def knobs(fleet):
    return [change.knob for change in fleet.changes]


def test_more_load_makes_batches_grow_first_where_that_is_enough(simulated, make_spec):
    fleet = simulated(make_spec(final_latency_ms=2000), **FLAT_GPU, batch_size=2)
    for demand in (60, 75, 100):
        fleet.run(demand, minutes=10)
    assert set(knobs(fleet)) == {"batchSize"}
    assert (fleet.replicas, fleet.batch_size) >= (1, 3)
    assert fleet.latency_s < 2


def test_more_load_adds_replicas_where_larger_batches_are_not_enough(simulated, make_spec):
    fleet = simulated(make_spec(), **CPU)
    fleet.run(20, minutes=10)
    fleet.run(200, minutes=10)
    assert fleet.replicas >= 200 / 50
    assert fleet.latency_s < 0.5
    assert fleet.backlog == 0


def test_without_load_both_come_back(simulated, make_spec):
    fleet = simulated(make_spec(), **FLAT_GPU, batch_size=4)
    fleet.run(1500, minutes=30)
    assert fleet.replicas > 1
    assert fleet.batch_size > 4
    fleet.run(0, minutes=30)
    assert (fleet.replicas, fleet.batch_size) == (1, 1)
    assert {change.reason for change in fleet.changes[-4:]} == {Reason.LOAD_FELL}


SHORT = Behavior(
    interval_s=5,
    stale_s=20,
    demand=DemandWindows(20, 30),
    scale_up=ScaleUp(0, 100, 2, 10),
    scale_down=ScaleDown(30, 50, 10),
    batch=BatchTuning(10, 20, 10),
    fallback=Fallback(60),
)


def test_with_short_windows_a_load_comes_and_goes_within_six_minutes(simulated, make_spec):
    spec = make_spec(final_latency_ms=1000, max_replicas=4, behavior=SHORT)
    fleet = simulated(spec, tick_s=5.0, cold_start_s=15.0, start_s=0.08, audio_s=0.012)
    fleet.run(5, minutes=1)
    for demand in range(10, 110, 20):
        fleet.run(demand, minutes=0.25)
    fleet.run(110, minutes=0.75)
    most = (fleet.replicas, fleet.batch_size)
    assert most[0] > 1
    assert most[1] > 1
    assert fleet.latency_s < 1
    assert fleet.changes[1].knob == "batchSize"
    fleet.run(3, minutes=3)
    assert (fleet.replicas, fleet.batch_size) == (1, 1)


# Measured with the demo model and its load; ONE_BY_ONE and BATCHED are the audio seconds per second
# that such a server can do with batches of 1 and of 16.
HALF_A_CPU = {"start_s": 0.0205, "audio_s": 0.0019, "front_s": 0.0005, "item_s": 7.0}
ONE_BY_ONE, BATCHED = 94, 193


def test_under_a_cpu_limit_batches_grow_first_and_servers_come_before_finals_are_late(
    simulated, make_spec
):
    spec = make_spec(final_latency_ms=1000, max_size=16, max_replicas=3, behavior=SHORT)
    fleet = simulated(spec, tick_s=5.0, window=2, cold_start_s=15.0, cpu_limit=0.5, **HALF_A_CPU)
    fleet.batch_size = 1
    late = []

    def run(demand, seconds):
        for _ in range(seconds // 5):
            fleet.step(demand)
            late.append(fleet.latency_s > 1.0)

    def ramp(first, last, seconds):
        for step in range(seconds // 5):
            run(first + (last - first) * step / (seconds / 5), 5)

    run(0.3 * ONE_BY_ONE, 30)
    ramp(0.3 * ONE_BY_ONE, 0.85 * ONE_BY_ONE, 60)
    run(0.85 * ONE_BY_ONE, 40)
    assert set(knobs(fleet)) == {"batchSize"}
    assert fleet.batch_size > 2
    ramp(0.85 * ONE_BY_ONE, 1.8 * ONE_BY_ONE, 90)  # sessions last, so load rises slowly
    run(1.8 * ONE_BY_ONE, 60)
    assert fleet.replicas >= 1.8 * ONE_BY_ONE / BATCHED
    assert not any(late)
    run(0.2 * ONE_BY_ONE, 120)
    assert (fleet.replicas, fleet.batch_size) == (1, 1)
    assert len(fleet.changes) < 16


LOADS = [(demand, kind) for demand in (10, 35, 60, 150, 300) for kind in (CPU, FLAT_GPU)]
ENOUGH = [(35, CPU), (150, FLAT_GPU)]
LOADS = [pytest.param(*load, marks=[] if load in ENOUGH else pytest.mark.slow) for load in LOADS]


@pytest.mark.parametrize(("demand", "kind"), LOADS)
def test_an_even_load_comes_to_rest_within_the_objective(simulated, make_spec, demand, kind):
    fleet = simulated(make_spec(), **kind)
    fleet.run(demand, minutes=70)  # what was late at the start is spent for most of an hour
    settled = len(fleet.changes)
    fleet.run(demand, minutes=120)
    assert len(fleet.changes) - settled <= 2
    assert fleet.latency_s < 0.5
    assert fleet.backlog == 0


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
)
def test_a_load_that_fluctuates_does_not_make_replicas_swing(simulated, make_spec, seed):
    fleet, chance = simulated(make_spec(max_replicas=20), **CPU), random.Random(seed)
    for _ in range(4 * 60):
        fleet.step(100 * chance.gauss(1, 0.1))
    settled = len(fleet.changes)
    for _ in range(4 * 120):
        fleet.step(100 * chance.gauss(1, 0.1))
    assert len(fleet.changes) - settled <= 8  # in two hours


def test_a_size_that_costs_more_than_it_brings_is_taken_back_and_avoided(simulated, make_spec):
    fleet = simulated(make_spec(max_replicas=1, final_latency_ms=2000), batch_size=4, **CPU)
    fleet.cliff = (4, 1.5)
    fleet.run(70, minutes=11)
    raised, returned = fleet.changes[:2]
    assert (raised.from_, raised.to, raised.reason) == (4, 5, Reason.BATCH_TOO_SMALL)
    assert (returned.from_, returned.to, returned.reason) == (5, 4, Reason.BATCH_ROLLED_BACK)
    assert returned.at - raised.at <= 150
    assert len(fleet.changes) == 2


def test_growth_stops_where_nothing_more_can_be_had(simulated, make_spec):
    fleet = simulated(make_spec(), **CPU, available=2)
    fleet.run(400, minutes=20)
    assert fleet.replicas <= 2 + 4
    assert sum(change.knob == "replicas" for change in fleet.changes) <= 2


def test_an_objective_that_nobody_can_meet_does_not_take_all_replicas(simulated, make_spec):
    fleet = simulated(make_spec(final_latency_ms=60), **CPU)
    fleet.run(20, minutes=60)
    assert fleet.step(20).unattainable
    assert fleet.replicas < 5


def test_a_restart_in_the_middle_of_a_load_changes_nothing(simulated, make_spec):
    fleet = simulated(make_spec(), **CPU)
    fleet.run(200, minutes=70)
    before, changes = (fleet.replicas, fleet.batch_size), len(fleet.changes)
    recorded = float(dict(fleet.changes[-1].inputs)["fullness"])
    fleet.restart()
    fleet.step(200)
    assert fleet.memory.fullness == recorded
    fleet.run(200, minutes=30)
    assert (fleet.replicas, fleet.batch_size) == before
    assert len(fleet.changes) == changes


@pytest.mark.parametrize("demand", [0, 20, 200])
def test_a_fleet_is_never_changed_by_both_knobs_at_once(simulated, make_spec, demand):
    fleet = simulated(make_spec(), **CPU, batch_size=16)
    fleet.run(100, minutes=15)
    fleet.run(demand, minutes=30)
    assert all(one.at < other.at for one, other in pairwise(fleet.changes))
