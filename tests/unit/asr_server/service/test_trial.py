"""Who is let into an engine after one has died, and who is blamed."""

import math

from hypothesis import given
from hypothesis import strategies as st

from asr_server.service.trial import Trial


def test_at_first_all_are_tried_again_together_with_newcomers():
    trial = Trial()
    assert trial.lose_engine([1, 2]) is None
    assert trial.running
    assert trial.admits(3)
    trial.enter(3)
    assert [trial.clear([each]) for each in (1, 2, 3)] == [False, False, True]
    assert not trial.running


def test_then_halves_are_tried_and_nobody_else_is_let_in():
    trial = Trial()
    trial.lose_engine([1, 2, 3, 4])
    assert trial.lose_engine([1, 2, 3, 4]) is None
    assert [each for each in range(6) if trial.admits(each)] == [1, 2]
    assert trial.clear([1, 2])
    assert [each for each in range(6) if trial.admits(each)] == [3, 4]
    assert trial.lose_engine([1, 2, 3, 4]) is None
    assert trial.lose_engine([3]) == 3
    assert trial.admits(4)
    assert not trial.admits(5)
    assert trial.clear_all()
    assert trial.admits(5)


def test_who_leaves_is_no_suspect():
    trial = Trial()
    trial.lose_engine([1, 2])
    trial.lose_engine([1, 2])
    assert not trial.clear([2])
    assert trial.clear([1])
    assert trial.admits(9)


def test_an_engine_that_had_no_audio_accuses_nobody():
    trial = Trial()
    assert trial.lose_engine([]) is None
    assert not trial.running
    assert not trial.clear([1])


@given(st.integers(1, 130), st.data())
def test_whoever_kills_is_blamed_after_a_few_deaths_and_nobody_else(count, data):
    poisonous = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    trial, alive, blamed, deaths = Trial(), set(range(count)), set(), 0
    trial.enter(0)
    while True:
        inside = sorted(filter(trial.admits, alive))
        if poisonous & set(inside):
            deaths += 1
            found = trial.lose_engine(inside)
            if found is not None:
                blamed.add(found)
                alive.discard(found)
        elif trial.running:
            trial.clear_all()
        else:
            break
    assert blamed == poisonous
    assert deaths <= len(poisonous) * (3 + math.ceil(math.log2(count)))
