"""What a tick teaches; batches of 4 are modelled to take 78 ms, and 24 s a second are little."""

from dataclasses import replace

import pytest

from asr_operator.autoscaler import knowledge, learning


@pytest.fixture
def learned(make_fleet, make_spec, watched, now):
    """What the memory is after one sample."""

    def learn(sample, memory=None, **spec_fields):
        fleet, spec = make_fleet(), make_spec(**spec_fields)
        known = knowledge.judge_knowledge(sample, fleet, now, 90)
        return learning.learn(memory or watched(), sample, known, fleet, spec)

    return learn


def test_finals_later_than_predicted_make_the_model_careful(learned, make_sample):
    sample = make_sample(demand=150.0, final_latency_s=0.45)
    assert learned(sample).correction > 1.05


def test_finals_earlier_than_predicted_make_the_model_bold(learned, make_sample):
    assert learned(make_sample(demand=150.0, final_latency_s=0.1)).correction < 1


def test_the_correction_stays_within_its_bounds(learned, make_sample, watched, now):
    for latency_s, bound in ((0.001, 0.5), (300.0, 3.0)):
        memory, sample = watched(), make_sample(demand=150.0, final_latency_s=latency_s)
        for _ in range(100):
            memory = learned(sample, memory)
        assert memory.correction == pytest.approx(bound, rel=0.01)


NO_LESSON = {
    "far below the objective": ({"final_latency_s": 0.45}, {}, {"final_latency_ms": 2000}),
    "from too few finals": ({"final_latency_s": 5.0, "finals": 9.0}, {}, {}),
    "while sessions are refused": ({"final_latency_s": 5.0, "refused_per_s": 0.1}, {}, {}),
    "from servers that have just come": (
        {"final_latency_s": 5.0},
        {"fleet_changed_at": 999_950.0},
        {},
    ),
    "while the load moves": ({"final_latency_s": 5.0}, {"demands": ((999_950.0, 300.0),)}, {}),
    "from an overload": ({"demand": 400.0, "final_latency_s": 5.0}, {}, {}),
    "from hardly any load": ({"demand": 1.0, "final_latency_s": 5.0}, {}, {}),
    "without a batch": ({"final_latency_s": 5.0, "stages": ()}, {}, {}),
}


@pytest.mark.parametrize(("load", "memory", "spec"), NO_LESSON.values(), ids=NO_LESSON)
def test_latency_teaches_nothing(learned, make_sample, watched, load, memory, spec):
    sample = make_sample(**{"demand": 150.0, **load})
    assert learned(sample, watched(**memory), **spec).correction == 1


def test_how_much_is_computed_for_what_arrives_is_learned_while_servers_keep_up(
    learned, make_sample
):
    half = make_sample(demand=100.0, demand_audio_ratio=200.0)
    assert learned(half).padded_per_audio == pytest.approx(0.9)
    for behind in ({"queue_wait_s": 0.4}, {"refused_per_s": 1.0}, {"pods": 1}):
        assert learned(replace(half, **_pods(make_sample, behind))).padded_per_audio == 1


def _pods(make_sample, fields):
    return {"pods": make_sample(pods=1).pods} if "pods" in fields else fields


def test_each_final_is_counted_once(learned, make_sample, watched, now):
    sample = make_sample(finals=600.0)
    assert learned(sample).finals == 600
    assert learned(sample, watched(ticked_at=now - 15)).finals == 150
    assert learned(sample, watched(ticked_at=now)).finals == 0


def test_only_the_recent_past_is_kept(learned, make_sample, watched, now):
    memory = watched(demands=((now - 130, 1.0), (now - 110, 2.0)), lateness=(1.0, 2.0, 3.0))
    memory = learned(make_sample(final_latency_s=2.0), memory)
    assert memory.demands == ((now - 110, 2.0), (now, 24.0))
    assert memory.lateness == (2.0, 3.0, 4.0)


def test_sample_that_is_seen_twice_counts_once(learned, make_sample, watched, now):
    """Two ticks may fall between two answers of Prometheus; a slope divides by the time between."""
    memory = watched(demands=((now - 20, 1.0),))
    for _ in range(3):
        memory = learned(make_sample(), memory)
    assert memory.demands == ((now - 20, 1.0), (now, 24.0))


def ticks(learned, make_sample, memory, loads, cpu_ratio=None):
    """Learn from a sample every 15 s; each is a demand and how late finals are."""
    for number, (demand, latency_s) in enumerate(loads):
        sample = make_sample(demand=demand, final_latency_s=latency_s)
        at = sample.at - 15 * (len(loads) - 1 - number)
        pods = tuple(replace(pod, cpu_ratio=cpu_ratio) for pod in sample.pods)
        memory = learned(replace(sample, at=at, pods=pods), memory, final_latency_ms=2000)
    return memory


def test_a_load_that_was_served_in_time_is_proved(learned, make_sample, watched):
    short = ticks(learned, make_sample, watched(), [(300.0, 0.9)] * 3)
    assert short.proved == 0.0
    memory = ticks(learned, make_sample, watched(), [(300.0, 0.9)] * 8)
    assert (memory.proved, memory.proved_size) == (150.0, 4)
    less = ticks(learned, make_sample, memory, [(100.0, 0.9)] * 8)
    assert 140 < less.proved < 150


def test_what_was_late_or_nearly_late_proves_nothing(learned, make_sample, watched):
    assert ticks(learned, make_sample, watched(), [(300.0, 1.8)] * 8).proved == 0.0
    believed = watched(proved=150.0, proved_size=4)
    assert ticks(learned, make_sample, believed, [(300.0, 2.5)]).proved == pytest.approx(120.0)


@pytest.mark.parametrize(("cpu_ratio", "proved"), [(None, 150.0), (0.7, 150.0), (0.8, 0.0)])
def test_a_server_near_its_cpu_limit_proves_nothing(
    learned, make_sample, watched, cpu_ratio, proved
):
    memory = ticks(learned, make_sample, watched(), [(300.0, 0.9)] * 8, cpu_ratio)
    assert memory.proved == proved


def test_what_was_proved_with_large_batches_does_not_hold_for_small_ones(
    learned, make_sample, watched
):
    believed = watched(proved=500.0, proved_size=16)
    assert ticks(learned, make_sample, believed, [(300.0, 2.5)]).proved == 0.0


def test_what_a_session_brings_is_learned_from_a_steady_load(learned, make_sample, watched):
    assert learned(make_sample(demand=30.0)).audio_per_session == pytest.approx(30 / 20)
    moving = watched(demands=((999_950.0, 300.0),))
    assert learned(make_sample(demand=30.0), moving).audio_per_session is None
