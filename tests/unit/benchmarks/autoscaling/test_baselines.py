"""Each rule against the examples that its documentation or its own tests give."""

import pytest

from asr_operator.simulation.policies import View
from asr_operator.simulation.profiles import Costs, Profile
from asr_operator.simulation.telemetry import Scrape, Telemetry
from asr_operator.state.scaling import Fleet
from benchmarks.autoscaling.baselines import apa, hpa, kpa, wva
from benchmarks.autoscaling.baselines.fixed import Fixed


@pytest.fixture
def view():
    """A view of some replicas, of which some are ready, each with so many sessions."""

    def make(desired=4, ready=None, sessions=10, queued=0, now=1000.0, places=60):
        names = tuple(f"pod-{number}" for number in range(desired if ready is None else ready))
        by_name = dict.fromkeys(names, sessions)
        scrape = Scrape(now - 1, (0.0,) * 60, by_name, dict.fromkeys(names, queued))
        return View(
            now=now,
            fleet=Fleet(
                desired=desired,
                ready=names,
                unready=desired - len(names),
                max_sessions=places,
            ),
            telemetry=Telemetry([scrape], [scrape.at]),
            profile=Profile(Costs(0.1, 0.02)),
            sessions=tuple(by_name.values()),
            queued=(queued,) * len(names),
        )

    return make


# kubernetes/website, horizontal-pod-autoscale.md, "Algorithm details": 200m against 100m doubles,
# 50m halves, and 0.1 is tolerated.
@pytest.mark.parametrize(
    ("mean", "ready", "unready", "expected"),
    [
        (200, 3, 0, 6),
        (50, 4, 0, 2),
        (105, 4, 0, 4),
        (95, 4, 0, 4),
        (111, 4, 0, 5),
        (200, 2, 2, 4),  # pods that are not ready count nothing: 400 over 4 is the target
        (300, 2, 2, 6),
        (50, 4, 4, 2),  # and when scaling down they are left out
    ],
)
def test_hpa_scales_by_its_ratio(mean, ready, unready, expected):
    assert hpa.scale_by_pod_metric(mean, 100, ready, unready) == expected


def test_hpa_takes_the_highest_recommendation_of_its_window_when_scaling_down():
    stabilizer = hpa.Stabilizer(most=10)
    assert stabilizer.limit(8, 8, 0.0) == 8
    assert stabilizer.limit(3, 8, 100.0) == 8
    assert stabilizer.limit(5, 8, 290.0) == 8
    assert stabilizer.limit(3, 8, 301.0) == 5
    assert stabilizer.limit(3, 5, 591.0) == 3


def test_hpa_adds_four_pods_or_as_many_again_at_a_time():
    assert hpa.Stabilizer(most=100).limit(50, 2, 0.0) == 6
    assert hpa.Stabilizer(most=100).limit(50, 10, 0.0) == 20
    assert hpa.Stabilizer(most=15).limit(50, 10, 0.0) == 15


# keda-docs, prometheus.md: AverageValue divides by the replicas, Value does not.
def test_keda_scales_by_total_or_by_value():
    assert hpa.scale_by_total(250, 100, 2) == 3
    assert hpa.scale_by_total(210, 100, 2) == 2
    assert hpa.scale_by_value(4.0, 2.0, replicas=3, ready=3) == 6
    assert hpa.scale_by_value(2.1, 2.0, replicas=3, ready=3) == 3


def test_an_hpa_on_sessions_follows_the_last_scrape(view):
    policy = hpa.Hpa(hpa.on_sessions(8.0), hpa.Stabilizer(most=40), batch_size=8)
    wanted = policy.decide(view(desired=4, sessions=16))
    assert (wanted.replicas, wanted.batch_size) == (8, 8)


# knative/serving, autoscaler.go: with a rate of 1.1, a concurrency of 3, 2 ready pods and a target
# of 1, three pods are wanted; and the rules of panic.
def test_kpa_grows_by_at_least_one_pod():
    assert kpa.Kpa(1.0, 40, 8, max_up_rate=1.1).scale(3, 3, 2, 0.0) == 3


def test_kpa_halves_at_most():
    assert kpa.Kpa(10.0, 40, 8).scale(10, 10, 8, 0.0) == 4


def test_kpa_panics_at_twice_what_it_has_and_does_not_shrink_meanwhile():
    policy = kpa.Kpa(10.0, 40, 8)
    assert policy.scale(20, 40, 2, 0.0) == 4
    assert policy.scale(20, 20, 4, 30.0) == 4
    assert policy.scale(20, 20, 4, 60.0) == 4
    assert policy.scale(20, 20, 4, 61.0) == 2


def test_kpa_is_calm_below_twice_what_it_has():
    assert kpa.Kpa(10.0, 40, 8).scale(20, 39, 3, 0.0) == 2


def test_kpa_averages_sessions_over_its_windows(view):
    policy = kpa.Kpa(10.0, 40, 8, panicked_at=None)
    seen = [policy.decide(view(2, sessions=10, now=now)).replicas for now in (2.0, 70.0, 140.0)]
    assert seen == [2, 2, 2]
    burst = [policy.decide(view(2, sessions=40, now=142.0 + 2 * tick)) for tick in range(3)]
    assert burst[-1].replicas > 2


# aibrix, algorithm/apa_test.go.
@pytest.mark.parametrize(
    ("pods", "value", "rates", "expected"),
    [
        (2, 45, (2, 2), 3),
        (2, 35, (2, 2), 3),
        (2, 90, (2, 2), 4),
        (2, 90, (2.5, 2), 5),
        (6, 20, (2, 2), 4),
        (6, 18, (2, 2), 4),
        (6, 10, (2, 2), 3),
        (6, 5, (2, 2.5), 2),
        (2, 33, (2, 2), 2),
        (2, 27, (2, 2), 2),
    ],
)
def test_apa_scales_as_its_own_tests_say(pods, value, rates, expected):
    assert apa.compute_target(pods, value, 30.0, rates) == expected


def test_apa_follows_the_share_of_places(view):
    policy = apa.Apa(0.5, hpa.Stabilizer(most=40), 8)
    assert policy.decide(view(desired=4, sessions=45)).replicas == 6


# workload-variant-autoscaler, saturation-analyzer.md: five replicas of its example, and its rules.
EXAMPLE = [(0.70, 2), (0.75, 3), (0.60, 1), (0.65, 2), (0.55, 1)]


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (EXAMPLE, 0),  # 0.15 and 3.2 to spare; without one replica 0.81 would be in use
        ([(0.75, 0), (0.74, 0)], 1),  # less than 0.1 to spare
        ([(0.1, 3), (0.1, 2.5)], 1),  # less than 3 places in the queue
        ([(0.9, 0), (0.1, 6)], 1),  # all are saturated
        ([(0.9, 0), (0.2, 0)], 0),  # only one is not: none is removed
        ([(0.2, 0), (0.2, 0)], -1),
        ([(0.4, 0), (0.4, 0)], 0),  # 0.8 on one: nothing to spare
        ([], 0),
    ],
)
def test_wva_steps_by_spare_capacity(replicas, expected):
    assert wva.compute_step(replicas, wva.Thresholds()) == expected


def test_wva_waits_for_pending_replicas(view):
    policy = wva.Wva(wva.Thresholds(), hpa.Stabilizer(most=40), 8)
    assert policy.decide(view(desired=4, ready=3, sessions=59)).replicas == 4
    assert policy.decide(view(desired=4, sessions=59)).replicas == 5


def test_fixed_stays(view):
    assert Fixed(7, 16).decide(view(sessions=59)).replicas == 7
