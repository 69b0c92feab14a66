"""The rules on top of client/transcript.py, with what each server says."""

import json

import pytest

from asr_server.client.transcript import Transcript
from asr_server.speech.replies import parse_reply
from asr_server.speech.subtitles import Cue


def hear(mode, *replies):
    found = Transcript(mode)
    certain = [found.take(parse_reply(json.dumps(reply))) for reply in replies]
    return found, [text for text in certain if text is not None]


ACK = {"mode": "offline", "text": "", "is_final": True, "is_end": True, "received_ms": 4000}


def test_our_server_offline():
    found, certain = hear("offline", {"mode": "offline", "text": "你好。", "is_final": True}, ACK)
    assert (found.text, found.received_ms, certain) == ("你好。", 4000, ["你好。"])
    assert found.acknowledged
    assert found.segments(4000) == [Cue(0, 4000, "你好。")]


def test_the_cpp_server_never_says_final():
    found, _ = hear("offline", {"mode": "offline", "text": "你好", "is_final": False})
    assert (found.answered, found.acknowledged) == (True, False)


def test_2pass_finals_replace_partials_and_bring_their_times():
    found, certain = hear(
        "2pass",
        {"mode": "2pass-online", "text": "打"},
        {"mode": "2pass-online", "text": "开灯"},
        {"mode": "2pass-offline", "text": "打开灯。", "start_time": 100, "end_time": 900},
        {"mode": "2pass-online", "text": "关"},
    )
    assert (found.text, found.partial, certain) == ("打开灯。", "关", ["打开灯。"])
    found.take(parse_reply(json.dumps({"mode": "2pass-offline", "text": "", "is_final": True})))
    assert (found.partial, found.answered) == ("", True)
    assert found.segments(5000) == [Cue(100, 900, "打开灯。")]


def test_sentences_in_latin_letters_are_kept_apart():
    finals = [
        {"mode": "2pass-offline", "text": text} for text in ("turn left.", "go", "停。", "ok")
    ]
    assert hear("2pass", *finals)[0].text == "turn left. go停。ok"


def test_online_texts_add_up_to_the_end_of_the_sentence_or_of_the_input():
    found, certain = hear(
        "online",
        {"mode": "online", "text": "打开"},
        {"mode": "online", "text": "灯", "start_time": 0, "end_time": 800},
        {"mode": "online", "text": "关"},
        {"mode": "online", "text": "", "is_final": True},
    )
    assert (found.text, certain, found.answered) == ("打开灯关", ["打开灯", "关"], True)
    assert found.segments(1000) == [Cue(0, 1000, "打开灯关")]  # not all of it has times


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_an_error_is_kept_and_is_no_answer(mode):
    error = {"mode": mode, "text": "", "is_final": False, "error": "too long"}
    found, _ = hear(mode, error)
    assert (found.problem, found.answered) == ("too long", False)
    found.take(parse_reply(json.dumps(error | {"is_final": True})))
    assert (found.problem, found.answered) == ("too long", True)
