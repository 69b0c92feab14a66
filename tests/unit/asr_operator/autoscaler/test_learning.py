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
        return learning.learn(memory or watched(), sample, known, spec)

    return learn


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


def test_what_a_session_brings_is_learned_from_a_steady_load(learned, make_sample, watched):
    assert learned(make_sample(demand=30.0)).audio_per_session == pytest.approx(30 / 20)
    moving = watched(demands=((999_950.0, 300.0),))
    assert learned(make_sample(demand=30.0), moving).audio_per_session is None
