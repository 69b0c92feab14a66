import itertools
import random
import statistics

import pytest

from asr_server.bench import arrivals, speech

PHRASES = [speech.Phrase(str(digit), bytes(2 * speech.RATE_HZ)) for digit in range(40)]


def plan(steps, seed=1):
    return arrivals.plan_sessions(steps, speech.Speaker(PHRASES, seed), seed)


def hold(duration_s, sessions):
    return arrivals.Step(duration_s, sessions, sessions)


def test_steps_are_read_as_seconds_and_sessions():
    steps = arrivals.parse_steps("30x10,60x10-100,2.5x0")
    assert steps == [hold(30, 10), arrivals.Step(60, 10, 100), hold(2.5, 0)]


@pytest.mark.parametrize(
    "text", ["", "30", "x10", "30x", "0x10", "-1x5", "30x-1", "3x1-2-3", "3x1,"]
)
def test_what_is_no_step_is_refused(text):
    with pytest.raises(ValueError, match="step"):
        arrivals.parse_steps(text)


def test_sessions_open_at_a_time_follow_the_steps():
    plans = plan([hold(200, 5), hold(200, 40), hold(200, 5)])

    def open_at(now_s):
        return sum(each.start_s <= now_s < each.start_s + each.duration_s for each in plans)

    for begin_s, wanted in [(50, 5), (250, 40), (450, 5)]:
        mean = statistics.mean(open_at(now_s) for now_s in range(begin_s, begin_s + 150))
        assert mean == pytest.approx(wanted, rel=0.25)


def test_arrivals_are_those_of_a_poisson_process():
    times = list(arrivals.draw_arrivals([hold(3000, 30)], random.Random(1)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times == sorted(times)
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)


def test_a_rise_is_a_straight_line():
    rise = arrivals.Step(3000, 10, 90)
    times = list(arrivals.draw_arrivals([rise], random.Random(1)))
    for third, wanted in [(0, 10 + 80 / 6), (1, 50), (2, 90 - 80 / 6)]:
        arrived = sum(third * 1000 <= time < third * 1000 + 1000 for time in times)
        assert arrived * arrivals.MEAN_S / 1000 == pytest.approx(wanted, rel=0.1)


def test_sessions_last_as_long_as_a_call_and_have_several_turns():
    plans = plan([hold(60, 60)])
    assert all(20 <= each.duration_s <= 40 and len(each.turns) >= 3 for each in plans)


def test_the_same_seed_plans_the_same_load():
    steps = [hold(20, 20)]
    assert plan(steps, 3) == plan(steps, 3) != plan(steps, 4)


def test_nothing_is_said_twice():
    names = [turn.utterance.name for each in plan([hold(60, 60)]) for turn in each.turns]
    assert len(set(names)) == len(names) > 300


def test_a_crowd_comes_at_once_and_is_silent_as_wanted():
    speaker = speech.Speaker(PHRASES, 1)
    plans = arrivals.plan_crowd(40, 60, 0.4, speaker, 1)
    assert len(plans) == 40
    assert all(each.start_s <= arrivals.CROWD_S for each in plans)
    assert all(60 <= each.start_s + each.duration_s < 60 + 10 for each in plans)
    spoken_s = sum(turn.utterance.duration_s for each in plans for turn in each.turns)
    assert 1 - spoken_s / sum(each.duration_s for each in plans) == pytest.approx(0.4, abs=0.03)


def test_pauses_are_long_enough_for_a_vad():
    plans = arrivals.plan_crowd(5, 20, 0.0, speech.Speaker(PHRASES, 1), 1)
    assert {turn.think_s for each in plans for turn in each.turns} == {arrivals.SHORTEST_PAUSE_S}
