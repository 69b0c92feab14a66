"""Messages as FunASR's servers and ours write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import messages, replies
from asr_server.speech.subtitles import Cue
from asr_server.speech.words import Words


def parse(fields):
    return replies.parse_reply(json.dumps(fields))


def test_what_our_server_writes_is_read():
    final = replies.parse_reply(messages.render_final("offline", "a", "你好。"))
    assert (final.mode, final.text, final.final, final.error) == ("offline", "你好。", True, None)
    done = replies.parse_reply(messages.render_acknowledgement("offline", "a", 1000, 0, "why"))
    assert (done.acknowledges, done.received_ms, done.error) == (True, 1000, "why")


def test_the_sentences_that_our_server_writes_become_subtitles():
    words = Words(("打", "开", "tv"), ((100, 200), (200, 400), (410, 900)))
    final = messages.render_final("offline", "a", "打开，Tv。", words=words)
    assert replies.parse_reply(final).cues == (Cue(100, 400, "打开，"), Cue(410, 900, "Tv。"))


@pytest.mark.parametrize(
    ("fields", "cues"),
    [
        ({}, ()),
        ({"start_time": 100, "end_time": 900}, (Cue(100, 900, "你好"),)),
        ({"timestamp": "[[100,200],[200,500]]"}, (Cue(100, 500, "你好"),)),
        ({"timestamp": [[100, 200]]}, (Cue(100, 200, "你好"),)),
        ({"timestamp": 1750000000}, ()),
        ({"timestamp": "[[a"}, ()),
        ({"timestamp": []}, ()),
        ({"stamp_sents": ""}, ()),
        (
            {"stamp_sents": [
                {"text_seg": "正 是 因 为", "punc": ",", "start": 430, "end": 1130, "ts_list": []},
                {"text_seg": "turn left 左 转", "punc": "。", "start": 1130, "end": 2000},
            ]},
            (Cue(430, 1130, "正是因为,"), Cue(1130, 2000, "turn left左转。")),
        ),
        ({"stamp_sents": [{}], "start_time": 1, "end_time": 2}, (Cue(1, 2, "你好"),)),
        ({"start_time": -1, "end_time": 2.5}, ()),
    ],
)  # fmt: skip
def test_times_are_read_in_every_form(fields, cues):
    assert parse({"text": "你好", **fields}).cues == cues


@pytest.mark.parametrize("message", ["", "{", "[1]", "7", b"\xff\xfe", "[" * 10_000])
def test_what_is_no_message_is_an_error(message):
    with pytest.raises(ValueError, match="no JSON"):
        replies.parse_reply(message)


KEYS = ["mode", "text", "is_final", "error", "is_end", "received_ms", "timestamp", "stamp_sents",
        "start_time", "end_time", "text_seg", "punc", "start", "end"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("[[1,2],[3,4]]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_no_value_crashes_the_reader(fields):
    found = parse(fields)
    assert isinstance(found.text, str)
