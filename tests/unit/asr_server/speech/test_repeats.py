"""What is said again after the engine has died is not told again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech.repeats import Repeats


def take(repeats, texts):
    return [repeats.take_partial(text) for text in texts]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (["ab", "c"], ["ab", "cd"], ["", "d"]),
        (["ab", "c"], ["a", "bcde"], ["", "de"]),
        (["ab"], ["abc"], ["c"]),
        ([], ["a"], ["a"]),
        (["abc"], ["a"], [""]),
    ],
)
def test_only_what_is_new_is_told(before, after, told):
    repeats = Repeats(whole_finals=True)
    assert take(repeats, before) == before
    repeats.start_again()
    assert take(repeats, after) == told


def test_the_final_of_an_online_utterance_adds_and_one_of_2pass_is_whole():
    for whole, final in ((False, "d"), (True, "cd")):
        repeats = Repeats(whole_finals=whole)
        take(repeats, ["ab", "c"])
        repeats.start_again()
        take(repeats, ["ab"])
        assert repeats.take_final("cd") == final
        assert repeats.take_partial("next") == "next"


@given(st.lists(st.lists(st.integers(0, 10)), min_size=1))
def test_however_often_an_engine_dies_the_text_is_told_once(lives):
    text, told, repeats = "abcdefghijklmnopqrstuvwxyz", "", Repeats(whole_finals=False)
    for cuts in lives:
        repeats.start_again()
        said = 0
        for cut in cuts:
            told += repeats.take_partial(text[said : said + cut])
            said = min(len(text), said + cut)
    repeats.start_again()
    assert told + repeats.take_final(text) == text
