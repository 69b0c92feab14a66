"""Finals find the utterance that they belong to, told when it was said or not."""

import pytest

from asr_server.bench.attribution import Stream


def speak(*texts):
    """Return a stream in which each text takes a second, with a second before it."""
    stream = Stream()
    for number, text in enumerate(texts):
        stream.say(text, text, 2000 * number + 1000, 2000 * number + 2000)
    return stream


@pytest.mark.parametrize(
    ("span_ms", "expected"),
    [((1000, 1900), "一二"), ((2900, 4100), "三四"), ((0, 300), None), ((4900, 5500), None)],
)
def test_a_span_is_believed(span_ms, expected):
    assert speak("一二", "三四").hear("五六", span_ms) == expected


def test_finals_in_order_go_to_utterances_in_order():
    stream = speak("一二", "三四", "五六")
    assert [stream.hear(text, None) for text in ("一二。", "三四", "五六")] == [
        "一二",
        "三四",
        "五六",
    ]
    assert stream.is_answered


def test_an_utterance_that_was_lost_does_not_shift_those_after_it():
    stream = speak("一二", "三四", "五六")
    assert [stream.hear(text, None) for text in ("三四", "五六")] == ["三四", "五六"]
    assert not stream.is_answered


def test_parts_of_an_utterance_are_heard_one_after_the_other():
    stream = speak("一二三四", "五六")
    assert [stream.hear(text, None) for text in ("一二", "三四", "五六")] == [
        "一二三四",
        "一二三四",
        "五六",
    ]


def test_other_words_go_to_the_oldest_that_lacks_any():
    stream = speak("一二", "三四")
    assert stream.hear("七", None) == "一二"


def test_what_comes_when_all_is_answered_belongs_to_nothing():
    stream = speak("一二")
    stream.hear("一二", None)
    assert stream.hear("一二", None) is None
