"""Which knob moves, in one tick whose load is known. A server serves 108 audio seconds per second
at batch size 4 and 150 at the best size, 15; it is overloaded from 154 at batch size 4.
"""

from dataclasses import replace

import pytest

from asr_operator.api.autoscaling import BatchTuning, ScaleDown, ScaleUp
from asr_operator.api.names import Reason
from asr_operator.autoscaler.memory import Wish
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.state.load import PodLoad
from asr_operator.state.scaling import Change

LATE_FOR_THE_QUEUE = {"final_latency_s": 3.0, "queue_wait_s": 2.5}
LATE_FOR_THE_BATCH = {"final_latency_s": 3.0, "queue_wait_s": 0.1}


def pods(**fields):
    return tuple(
        replace(
            PodLoad(f"pod-{number}", 5.0, 10.0, demand_audio_ratio=12.0, duty_ratio=0.5), **fields
        )
        for number in range(2)
    )


LOADED = {
    "the load fits": ({"demand": 150.0}, 2, 4, Reason.STEADY),
    "a little too much is tolerated": ({"demand": 230.0}, 2, 4, Reason.STEADY),
    "too much": ({"demand": 250.0}, 3, 4, Reason.CAPACITY_NEEDED),
    "far too much": ({"demand": 600.0}, 6, 4, Reason.CAPACITY_NEEDED),
    "a peak not long ago": (
        {"demand": 150.0, "demand_peak_ratio": 300.0},
        3,
        4,
        Reason.CAPACITY_NEEDED,
    ),
    "too much, but batches can grow": (
        {"demand": 250.0, "size_bound": 0.5},
        2,
        5,
        Reason.BATCH_TOO_SMALL,
    ),
    "too much even for large batches": (
        {"demand": 400.0, "size_bound": 1.0},
        4,
        4,
        Reason.CAPACITY_NEEDED,
    ),
    "too much at once for batches to grow": (
        {"demand": 290.0, "size_bound": 1.0},
        3,
        4,
        Reason.CAPACITY_NEEDED,
    ),
    "many sessions": ({"pods": pods(sessions=90.0)}, 3, 4, Reason.SESSIONS_NEEDED),
    "GPUs busy within the tolerance": (
        {"demand": 200.0, "pods": pods(gpu_ratio=0.75), "size_bound": 0.9},
        2,
        4,
        Reason.STEADY,
    ),
    "GPUs busy with small batches": (
        {"demand": 200.0, "pods": pods(gpu_ratio=0.9), "size_bound": 0.1},
        2,
        4,
        Reason.STEADY,
    ),
    "busy GPUs, but batches can grow": (
        {"demand": 200.0, "pods": pods(gpu_ratio=0.9), "size_bound": 0.5},
        2,
        5,
        Reason.BATCH_TOO_SMALL,
    ),
    "late because of the queue": (
        {"demand": 150.0, **LATE_FOR_THE_QUEUE},
        3,
        4,
        Reason.LATENCY_ABOVE_OBJECTIVE,
    ),
    "late because of the queue, with batches that could be larger": (
        {"demand": 230.0, "size_bound": 1.0, **LATE_FOR_THE_QUEUE},
        2,
        5,
        Reason.BATCH_TOO_SMALL,
    ),
    "very late because of the queue": (
        {"demand": 150.0, "final_latency_s": 60.0, "queue_wait_s": 59.0},
        4,
        4,
        Reason.LATENCY_ABOVE_OBJECTIVE,
    ),
    "late because of the batch": (
        {"demand": 150.0, **LATE_FOR_THE_BATCH},
        2,
        2,
        Reason.BATCH_TOO_LARGE,
    ),
    "a little too many late because of the batch": (
        {"demand": 150.0, "late_ratio": 0.06, **LATE_FOR_THE_BATCH},
        2,
        2,
        Reason.BATCH_TOO_LARGE,
    ),
    "a little too many late because of the queue": (
        {"demand": 150.0, "late_ratio": 0.06, **LATE_FOR_THE_QUEUE},
        2,
        4,
        Reason.STEADY,
    ),
    "late because of long batches that others wait for": (
        {"demand": 50.0, "busy_s": 1.0, "final_latency_s": 2.8, "queue_wait_s": 1.7},
        2,
        2,
        Reason.BATCH_TOO_LARGE,
    ),
    "late, by too few answers to say": (
        {"demand": 150.0, **LATE_FOR_THE_QUEUE, "finals": 9.0},
        2,
        4,
        Reason.STEADY,
    ),
    "little load": ({"demand": 50.0}, 1, 4, Reason.LOAD_FELL),
    "little load, but busy GPUs": (
        {"demand": 50.0, "pods": pods(gpu_ratio=0.6), "size_bound": 0.9},
        2,
        4,
        Reason.STEADY,
    ),
    "little load, but many sessions": (
        {"demand": 50.0, "pods": pods(sessions=50.0)},
        2,
        4,
        Reason.STEADY,
    ),
    "little load, but late": (
        {"demand": 50.0, "final_latency_s": 3.0, "queue_wait_s": None},
        3,
        4,
        Reason.LATENCY_ABOVE_OBJECTIVE,
    ),
}


@pytest.mark.parametrize(("load", "replicas", "size", "reason"), LOADED.values(), ids=LOADED)
def test_the_load_moves_one_knob(decided, make_sample, load, replicas, size, reason):
    decision = decided(make_sample(**load))
    assert (decision.replicas, decision.batch_size, decision.reason) == (replicas, size, reason)


def test_batches_grow_while_a_server_starts_only_if_finals_wait(
    decided, make_sample, make_fleet, watched
):
    starting = make_fleet(2, desired=3, unready=1)
    memory = watched(finals=1000.0, lateness=(1.5, 1.5), fleet=(3, 2))
    in_time = make_sample(demand=230.0, size_bound=1.0)
    late = make_sample(demand=230.0, size_bound=1.0, **LATE_FOR_THE_QUEUE)
    assert decided(in_time, starting, memory=memory).batch_size == 4
    assert decided(late, starting, memory=memory).batch_size == 5


def test_busy_gpus_want_replicas_where_batches_are_full(decided, make_sample, make_spec):
    spec = make_spec(batching="Fixed", size=4, final_latency_ms=2000)
    busy = {"demand": 200.0, "pods": pods(gpu_ratio=0.9)}
    full = decided(make_sample(**busy, size_bound=0.9), spec=spec)
    assert (full.replicas, full.reason) == (3, Reason.GPU_ABOVE_OBJECTIVE)
    assert decided(make_sample(**busy, size_bound=0.1), spec=spec).replicas == 2


def test_a_server_whose_gpu_is_not_known_yet_asks_for_no_more(decided, make_sample, make_spec):
    spec = make_spec(batching="Fixed", size=4, final_latency_ms=2000)
    busy, new = pods(gpu_ratio=0.9)[0], pods()[1]
    grown = make_sample(demand=200.0, pods=(busy, new), size_bound=0.9)
    assert decided(grown, spec=spec).replicas == 2


def test_a_breach_in_a_single_tick_moves_nothing(decided, make_sample, watched):
    sample = make_sample(demand=150.0, **LATE_FOR_THE_QUEUE)
    decision = decided(sample, memory=watched(finals=1000.0, lateness=(0.5, 0.5)))
    assert (decision.replicas, decision.batch_size) == (2, 4)


@pytest.mark.parametrize(
    ("quantile", "late_ratio", "replicas"),
    [
        ("p50", 0.54, 2),
        ("p50", 0.56, 3),
        ("p90", 0.14, 2),
        ("p90", 0.16, 3),
        ("p95", 0.09, 2),
        ("p95", 0.11, 3),
        ("p99", 0.029, 2),
        ("p99", 0.031, 3),
    ],
)
def test_how_many_late_finals_add_a_replica(
    decided, make_sample, make_spec, quantile, late_ratio, replicas
):
    """Three times as many as may be, but at most five in a hundred more."""
    spec = make_spec(quantile=quantile, final_latency_ms=2000, batching="Fixed")
    sample = make_sample(demand=200.0, late_ratio=late_ratio, **LATE_FOR_THE_QUEUE)
    assert decided(sample, spec=spec).replicas == replicas


@pytest.mark.parametrize("late_ratio", [0.06, 0.5])
def test_nothing_is_taken_away_while_finals_are_late_for_the_batch(
    decided, make_sample, make_spec, late_ratio
):
    """How full replicas may be does not answer to it, so nothing else would bring them back."""
    sample = make_sample(demand=24.0, late_ratio=late_ratio, **LATE_FOR_THE_BATCH)
    spec = make_spec(final_latency_ms=2000, batching="Fixed", min_size=1)
    assert decided(sample, spec=spec).replicas == 2
    assert decided(sample, spec=spec).unattainable


def test_finals_that_come_ever_earlier_are_waited_for(decided, make_sample, watched):
    sample = make_sample(demand=150.0, **LATE_FOR_THE_QUEUE)
    decision = decided(sample, memory=watched(finals=1000.0, lateness=(4.0, 3.0)))
    assert (decision.replicas, decision.batch_size) == (2, 4)


def test_latency_says_nothing_of_servers_that_have_just_come(decided, make_sample, watched, now):
    memory = watched(lateness=(1.5, 1.5), fleet=(2, 2), fleet_changed_at=now - 59)
    sample = make_sample(demand=150.0, **LATE_FOR_THE_QUEUE)
    assert decided(sample, memory=memory).replicas == 2
    settled = replace(memory, fleet_changed_at=now - 60)
    assert decided(sample, memory=settled).replicas == 3


@pytest.mark.parametrize(("demand", "replicas", "size"), [(215.0, 2, 2), (225.0, 4, 4)])
def test_batches_do_not_become_too_small_to_keep_up(decided, make_sample, demand, replicas, size):
    """Replicas come first then, so that smaller ones do keep up."""
    decision = decided(make_sample(demand=demand, **LATE_FOR_THE_BATCH))
    assert (decision.replicas, decision.batch_size) == (replicas, size)


def test_a_wait_beyond_its_last_bucket_is_not_blamed_on_the_batch(decided, make_sample):
    """A backlog of minutes: the histogram of waits ends at 120 s, that of finals at 300 s."""
    backlog = {"final_latency_s": 296.0, "queue_wait_s": 118.0}
    decision = decided(make_sample(demand=24.0, **backlog))
    assert decision.batch_size == 4
    assert decision.reason != Reason.BATCH_TOO_LARGE


def test_a_load_without_any_batch_to_learn_from_removes_nothing(decided, make_sample, watched):
    new = watched(model=ServiceModel(), item_padded_s=None)
    decision = decided(make_sample(demand=5.0, stages=()), memory=new)
    assert (decision.replicas, decision.batch_size) == (2, 4)


@pytest.mark.parametrize(
    ("changes", "rule", "replicas"),
    [
        ((), ScaleUp(), 6),
        ((), ScaleUp(max_percent=50, max_pods=1), 3),
        ((), ScaleUp(max_percent=200, max_pods=1), 6),
        (((10, 1, 2),), ScaleUp(max_pods=2), 3),
        (((14, 1, 2),), ScaleUp(max_pods=2), 4),
        (((10, 1, 2),), ScaleUp(max_pods=1, max_percent=1, period_s=60), 2),
    ],
    ids=[
        "four, or as many again",
        "at most one",
        "at most three times as many",
        "what was just added counts",
        "what was added a period ago does not, if a tick is early",
        "all of the period is used up",
    ],
)
def test_growth_is_limited_per_period(
    decided, make_sample, make_spec, watched, now, changes, rule, replicas
):
    records = [Change(now - age, "replicas", *step, Reason.STEADY) for age, *step in changes]
    spec = make_spec(final_latency_ms=2000, scale_up=rule)
    decision = decided(make_sample(demand=600.0), spec=spec, memory=watched(*records))
    assert decision.replicas == replicas


def test_growth_waits_until_all_of_its_window_wants_it(
    decided, make_sample, make_spec, watched, now
):
    spec = make_spec(final_latency_ms=2000, scale_up=ScaleUp(stabilization_s=30))
    memory = watched(wishes=(Wish(now - 20, up=3, down=2),))
    assert decided(make_sample(demand=600.0), spec=spec, memory=memory).replicas == 3
    memory = watched(wishes=(Wish(now - 20, up=1, down=1), Wish(now - 10, up=9, down=9)))
    assert decided(make_sample(demand=600.0), spec=spec, memory=memory).replicas == 2


def test_the_load_that_will_be_there_after_a_cold_start_counts(
    decided, make_sample, make_fleet, watched, now
):
    rising = tuple((now - 120 + 15 * tick, 40.0 + 20 * tick) for tick in range(8))
    sample = make_sample(demand=200.0)
    memory = watched(demands=rising)
    assert decided(sample, make_fleet(cold_start_s=0.0), memory=memory).replicas == 2
    assert decided(sample, make_fleet(cold_start_s=60.0), memory=memory).replicas == 3
    falling = watched(demands=tuple((at, 400 - demand) for at, demand in rising))
    assert decided(sample, make_fleet(cold_start_s=60.0), memory=falling).replicas == 2


FEWER_HELD = {
    "a server is silent": ({"pods": pods()[:1]}, {}, {}),
    "a server lies": ({"pods": (pods()[0], replace(pods()[1], duty_ratio=9.0))}, {}, {}),
    "servers are starting": ({}, {"desired": 3, "unready": 1}, {}),
    "the operator has watched for too short a time": ({}, {}, {"watching_since": 999_701.0}),
    "more was needed within the window": ({}, {}, {"wishes": (Wish(999_701.0, 9, 9),)}),
    "a batch size was just changed": (
        {},
        {},
        {"changes": (Change(999_950.0, "batchSize", 3, 4, Reason.BATCH_TOO_SMALL),)},
    ),
    "as many were just removed as may be": (
        {},
        {},
        {"changes": (Change(999_950.0, "replicas", 3, 2, Reason.LOAD_FELL),)},
    ),
    "one fewer proved too few": (
        {},
        {},
        {
            "changes": (
                Change(998_000.0, "replicas", 2, 1, Reason.LOAD_FELL, (("demandPeak", "45"),)),
                Change(998_600.0, "replicas", 1, 2, Reason.STEADY, (("demandPeak", "50"),)),
            )
        },
    ),
}


@pytest.mark.parametrize(("load", "fleet", "memory"), FEWER_HELD.values(), ids=FEWER_HELD)
def test_replicas_stay_although_fewer_would_do_while(
    decided, make_sample, make_fleet, watched, load, fleet, memory
):
    fleet = make_fleet(**fleet)
    decision = decided(make_sample(demand=50.0, **load), fleet, memory=watched(**memory))
    assert decision.replicas == fleet.desired


@pytest.mark.parametrize("hold", ["a server is silent", "a server lies"])
def test_batches_do_not_shrink_for_a_load_that_is_half_known(decided, make_sample, watched, hold):
    decision = decided(make_sample(demand=50.0, **FEWER_HELD[hold][0]), memory=watched())
    assert (decision.replicas, decision.batch_size, decision.changes) == (2, 4, ())


def test_a_peak_counts_for_growth_and_not_once_more_for_removal(decided, make_sample, watched):
    """The window of scaling down remembers what was needed at the peak."""
    past_peak = make_sample(demand=50.0, demand_peak_ratio=90.0)
    assert decided(past_peak).replicas == 1
    needed = watched(wishes=(Wish(999_960.0, 2, 2),))
    assert decided(past_peak, memory=needed).replicas == 2
    assert decided(make_sample(demand=50.0, demand_peak_ratio=300.0)).replicas == 3


def test_a_backlog_beside_idle_engines_adds_no_replicas(decided, make_sample):
    late = {"demand": 150.0, **LATE_FOR_THE_QUEUE}
    idle = decided(make_sample(**late, pods=pods(duty_ratio=0.4)))
    assert (idle.replicas, idle.reason) == (2, Reason.STEADY)
    assert "late for a backlog of sessions that stay where they are" in idle.message
    assert "right for the load" not in idle.message
    assert decided(make_sample(**late, pods=pods(duty_ratio=0.9))).replicas == 3


@pytest.mark.parametrize("reason", [Reason.BOUNDS_SCHEDULED, Reason.OUT_OF_BOUNDS])
def test_what_was_not_raised_for_the_load_proves_nothing(decided, make_sample, watched, reason):
    removed, returned = FEWER_HELD["one fewer proved too few"][2]["changes"]
    raised = replace(returned, reason=reason, inputs=())
    decision = decided(make_sample(demand=50.0), memory=watched(removed, raised))
    assert decision.replicas == 1


def test_what_once_proved_too_few_is_tried_again_later_or_with_less_load(
    decided, make_sample, watched
):
    memory = FEWER_HELD["one fewer proved too few"][2]
    assert decided(make_sample(demand=35.0), memory=watched(**memory)).replicas == 1
    long_ago = tuple(replace(change, at=change.at - 3000) for change in memory["changes"])
    assert decided(make_sample(demand=50.0), memory=watched(*long_ago)).replicas == 1


@pytest.mark.parametrize(
    ("ready", "rule", "replicas"),
    [(2, ScaleDown(), 1), (10, ScaleDown(), 8), (10, ScaleDown(max_percent=100), 1)],
)
def test_removal_is_limited_per_period(
    decided, idle_sample, make_fleet, make_spec, ready, rule, replicas
):
    spec = make_spec(final_latency_ms=2000, scale_down=rule)
    assert decided(idle_sample(pods=ready), make_fleet(ready), spec).replicas == replicas


def test_idle_servers_go_and_then_batches_shrink(decided, idle_sample, make_fleet, watched):
    assert decided(idle_sample()).replicas == 1
    decision = decided(idle_sample(pods=1), make_fleet(1), memory=watched())
    assert (decision.replicas, decision.batch_size) == (1, 2)


def test_idle_sessions_keep_their_servers(decided, make_fleet, idle_sample):
    sample = idle_sample(pods=2)
    busy = tuple(replace(load, sessions=60.0) for load in sample.pods)
    assert decided(replace(sample, pods=busy), make_fleet()).replicas == 2


BATCH_HELD = {
    "servers are starting": ({"desired": 3, "unready": 1}, {}),
    "servers are leaving": ({"desired": 1}, {}),
    "replicas have just changed": ({}, {"fleet": (2, 2), "fleet_changed_at": 999_941.0}),
    "replicas were just decided": (
        {},
        {"changes": (Change(999_950.0, "replicas", 1, 2, Reason.CAPACITY_NEEDED),)},
    ),
    "the operator has just started": ({}, {"started_at": 999_950.0}),
    "it has just moved": (
        {},
        {"changes": (Change(999_950.0, "batchSize", 3, 4, Reason.BATCH_TOO_SMALL),)},
    ),
    "too few finals were seen since": ({}, {"finals": 10.0}),
    "a larger one made things worse": (
        {},
        {"changes": (Change(999_500.0, "batchSize", 5, 4, Reason.BATCH_ROLLED_BACK),)},
    ),
    "a larger one took too long": (
        {},
        {"changes": (Change(999_500.0, "batchSize", 5, 4, Reason.BATCH_TOO_LARGE),)},
    ),
}


@pytest.mark.parametrize(("fleet", "memory"), BATCH_HELD.values(), ids=BATCH_HELD)
def test_the_batch_size_stays_although_a_larger_one_would_do_while(
    decided, make_sample, make_fleet, watched, fleet, memory
):
    memory = watched(**{"finals": 1000.0, **memory})
    sample = make_sample(demand=250.0, size_bound=0.5, finals=10.0)
    decision = decided(sample, make_fleet(**{"desired": 2, **fleet}), memory=memory)
    assert decision.batch_size == 4


def test_a_size_that_does_not_bind_is_not_raised(decided, make_sample, make_fleet):
    sample = make_sample(demand=250.0, size_bound=0.01)
    assert decided(sample, make_fleet(3), None).batch_size == 4


def test_larger_batches_come_before_fewer_replicas(decided, make_sample, make_fleet):
    sample = make_sample(pods=3, demand=280.0, size_bound=0.2)
    decision = decided(sample, make_fleet(3))
    assert (decision.replicas, decision.batch_size) == (3, 5)


def test_batches_grow_when_replicas_cannot(decided, make_sample, make_fleet, make_spec):
    sample = make_sample(demand=300.0, size_bound=1.0, **LATE_FOR_THE_QUEUE)
    for fleet, spec in (
        (make_fleet(), make_spec(final_latency_ms=2000, max_replicas=2)),
        (make_fleet(blocked="quota"), make_spec(final_latency_ms=2000)),
        (make_fleet(), make_spec("External", final_latency_ms=2000)),
        (make_fleet(), make_spec("Off", final_latency_ms=2000)),
    ):
        decision = decided(sample, fleet, spec)
        assert (decision.replicas, decision.batch_size) == (2, 5)


def test_a_smaller_size_waits_until_all_of_the_window_allows_it(
    decided, idle_sample, make_fleet, watched, now
):
    for wishes, size in (((Wish(now - 299, 1, 1, 4),), 4), ((Wish(now - 301, 1, 1, 4),), 2)):
        decision = decided(idle_sample(pods=1), make_fleet(1), memory=watched(wishes=wishes))
        assert decision.batch_size == size


@pytest.mark.parametrize(("age_s", "size"), [(100, 4), (700, 2)])
def test_a_size_that_was_too_small_of_late_is_not_tried_again_at_the_same_load(
    decided, make_sample, make_fleet, watched, now, age_s, size
):
    inputs = (("demandPeak", "60"), ("demand", "60"))
    raised = Change(now - age_s, "batchSize", 3, 4, Reason.BATCH_TOO_SMALL, inputs)
    decision = decided(make_sample(pods=1, demand=60.0), make_fleet(1), memory=watched(raised))
    assert decision.batch_size == size


def test_intervals_of_the_spec_are_those_that_count(decided, make_sample, make_spec, watched, now):
    raised = Change(now - 20, "batchSize", 3, 4, Reason.BATCH_TOO_SMALL)
    quick = BatchTuning(interval_s=20, min_samples=5, settle_s=10)
    spec = make_spec(final_latency_ms=2000, batch=quick)
    sample = make_sample(demand=250.0, size_bound=0.5)
    decision = decided(sample, spec=spec, memory=watched(raised, finals=10.0))
    assert decision.batch_size == 5


def test_sessions_that_have_come_count_before_their_speech_fills_the_window(
    decided, make_sample, watched
):
    calm = watched(finals=1000.0, audio_per_session=4.0)
    many = make_sample(demand=150.0, pods=pods(sessions=35.0))
    assert decided(many, memory=calm).reason == Reason.CAPACITY_NEEDED
    few = make_sample(demand=150.0, pods=pods(sessions=15.0))
    assert decided(few, memory=calm).reason == Reason.STEADY
    mistaken = watched(finals=1000.0, audio_per_session=400.0)
    assert decided(many, memory=mistaken).replicas == 3  # at most twice the demand
