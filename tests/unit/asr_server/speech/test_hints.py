"""Hints of a session and of its service."""

from asr_server.speech.hints import NO_HINTS, Hints


def test_words_of_a_service_come_behind_those_of_the_session_each_once():
    own = Hints("zh", itn=False, hotwords=("b", "a"))
    assert own.prefer_too(("a", "c")) == Hints("zh", itn=False, hotwords=("b", "a", "c"))
    assert own.prefer_too(()) is own
    assert NO_HINTS.prefer_too(("c",)).hotwords == ("c",)
