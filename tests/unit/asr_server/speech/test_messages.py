"""FunASR's messages, as every stock client writes them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import messages, times
from asr_server.speech.audio import Container
from asr_server.speech.hints import Hints
from asr_server.speech.hotwords import Hotword
from asr_server.speech.messages import Control, Malformed, Options
from asr_server.speech.words import Words


def parse(text, options=None):
    if not isinstance(text, str):
        text = json.dumps(text)
    return messages.parse_control(text, options or Options())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"mode": "offline"}, {}),
        ({"mode": "office"}, {}),
        ({"mode": ""}, {}),
        ({"mode": "2pass"}, {"mode": "2pass"}),
        ({"wav_name": "a.wav"}, {"name": "a.wav"}),
        ({"wav_name": 7}, {"name": "7"}),
        ({"wav_format": "PCM"}, {}),
        ({"wav_format": "wav"}, {"format": "wav"}),
        ({"audio_fs": 8000}, {"sample_rate_hz": 8000}),
        ({"audio_fs": "8000"}, {"sample_rate_hz": 8000}),
        ({"audio_fs": 8000.0}, {"sample_rate_hz": 8000}),
        ({"audio_fs": None, "wav_name": None, "hotwords": None}, {}),
        ({"hotwords": "a,b"}, {"hotwords": (Hotword("a"), Hotword("b"))}),
        ({"hotwords": '{"a": 3}'}, {"hotwords": (Hotword("a", 3),)}),
        ({"hotwords": ""}, {}),
        ({"chunk_size": [5, 10, 5], "chunk_interval": 10}, {}),
        ({"chunk_size": "5,10,5"}, {}),
        ({"chunk_size": {"any": "thing"}, "itn": "x", "svs_lang": 1, "unknown": []}, {}),
    ],
)
def test_fields_become_options(fields, expected):
    assert parse(fields) == Control(Options(**expected))


@pytest.mark.parametrize(
    ("fields", "ends", "acknowledge"),
    [
        ({"is_speaking": True}, False, False),
        ({"is_speaking": False}, True, False),
        ({"is_speaking": "false"}, True, False),
        ({"is_speaking": 0}, True, False),
        ({"is_finished": True}, True, False),
        ({"is_finished": False}, False, False),
        ({"is_speaking": False, "is_end": True}, True, True),
        ({"is_end": True}, False, False),
    ],
)
def test_an_input_ends_in_each_of_the_known_ways(fields, ends, acknowledge):
    assert parse(fields) == Control(Options(), ends, acknowledge)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Hints()),
        ({"svs_lang": "zh", "itn": True, "svs_itn": True}, Hints("zh")),
        ({"svs_lang": " YUE "}, Hints("yue")),
        ({"svs_lang": ""}, Hints("auto")),
        ({"svs_lang": "x" * 99}, Hints("x" * 32)),
        ({"svs_lang": 1, "itn": "x", "svs_itn": []}, Hints()),
        ({"itn": False}, Hints(itn=False)),
        ({"svs_itn": "false"}, Hints(itn=False)),
        ({"itn": False, "svs_itn": True}, Hints(itn=False)),
        ({"hotwords": '{"b": 3, "a": 9}'}, Hints(hotwords=("b", "a"))),
    ],
)
def test_fields_become_hints_to_the_recogniser(fields, expected):
    assert parse(fields).options.hints == expected


def test_options_stay_until_the_client_says_otherwise():
    first = parse({"wav_name": "a", "audio_fs": 8000, "hotwords": "x"})
    second = parse({"wav_name": "b", "is_speaking": True}, first.options)
    assert second.options == Options(name="b", sample_rate_hz=8000, hotwords=(Hotword("x"),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be JSON"),
        ("hello", "must be JSON"),
        ('{"mode": "offline"', "must be JSON"),
        ('{"audio_fs": NaN}', "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[1]", "must be a JSON object"),
        ('"offline"', "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"a":"' + "x" * messages.MAX_CONTROL_CHARS + '"}', "characters"),
    ],
)
def test_what_is_no_json_object_is_malformed_and_says_why(text, reason):
    found = parse(text)
    assert isinstance(found, Malformed)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mode": 5}, "mode: must be text"),
        ({"wav_name": ["a"]}, "wav_name: must be text"),
        ({"wav_format": 1}, "wav_format: must be text"),
        ({"audio_fs": "fast"}, "audio_fs: must be a whole number from 4000 to 384000"),
        ({"audio_fs": 0}, "audio_fs: must be"),
        ({"audio_fs": -16000}, "audio_fs: must be"),
        ({"audio_fs": 8000.5}, "audio_fs: must be"),
        ({"audio_fs": True}, "audio_fs: must be"),
        ({"audio_fs": [16000]}, "audio_fs: must be"),
        ({"audio_fs": "nan"}, "audio_fs: must be"),
        ({"audio_fs": 10**400}, "audio_fs: "),
        ({"is_speaking": "maybe"}, "is_speaking: must be true or false"),
        ({"is_end": []}, "is_end: must be true or false"),
        ({"hotwords": 5}, "hotwords must be"),
        ({"mode": 5, "audio_fs": 1}, "mode: must be text; audio_fs: must be"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(fields, reason):
    found = parse(fields)
    assert reason in found.problem
    assert found.options == Options()


@pytest.mark.parametrize(
    ("options", "problem", "container"),
    [
        (Options(), None, Container.PCM),
        (Options(format=""), None, Container.PCM),
        (Options(format="wav"), None, Container.FILE),
        (Options(format="others"), None, Container.FILE),
        (Options(format="mp3"), None, Container.FILE),
        (Options(mode="2pass"), None, Container.PCM),
        (Options(mode="online", format="wav"), None, Container.FILE),
        (Options(mode="2pass", format="others"), None, Container.FILE),
        (Options(mode="2pass", format="mp3"), "ERROR. Real-time transcr", Container.FILE),
        (Options(mode="3pass"), "mode '3pass': offline, online and 2pass", Container.PCM),
    ],
)
def test_options_say_what_is_not_served(options, problem, container):
    assert options.container is container
    assert (options.problem is None) == (problem is None)
    assert problem is None or options.problem.startswith(problem)


def test_every_message_carries_mode_text_is_final_and_name():
    final = json.loads(messages.render_final("offline", "a", "你好。"))
    failed = json.loads(messages.render_final("offline", "a", "", "why"))
    error = json.loads(messages.render_error("offline", "a", "why"))
    done = json.loads(messages.render_acknowledgement("offline", "a", 1000, 1000))
    bad = json.loads(messages.render_acknowledgement("offline", "a", 1000, 0, "why"))
    usual = {"mode": "offline", "wav_name": "a", "text": ""}
    assert final == usual | {"text": "你好。", "is_final": True}
    assert failed == usual | {"is_final": True, "error": "why"}
    assert error == usual | {"is_final": False, "error": "why"}
    end = usual | {"is_end": True, "received_ms": 1000}
    assert done == end | {"is_final": True, "processed_ms": 1000}
    assert bad == end | {"is_final": False, "processed_ms": 0, "error": "why"}


@pytest.mark.parametrize(
    ("mode", "partial", "final"),
    [("online", "online", "online"), ("2pass", "2pass-online", "2pass-offline")],
)
def test_live_messages_are_labelled_as_clients_know_them(mode, partial, final):
    said = json.loads(messages.render_partial(mode, "a", "你"))
    found = messages.LiveFinal("你好", 500, 1200)
    ends = [json.loads(messages.render_live_final(mode, "a", found, last=b)) for b in (False, True)]
    assert said == {"mode": partial, "text": "你", "wav_name": "a", "is_final": False}
    assert ends[0] == {
        "mode": final, "text": "你好", "wav_name": "a", "is_final": False,
        "start_time": 500, "end_time": 1200,
    }  # fmt: skip
    assert ends[1] == ends[0] | {"is_final": True}
    assert json.loads(messages.render_error(mode, "a", "why"))["mode"] == partial
    assert json.loads(messages.render_final(mode, "a", ""))["mode"] == final
    assert json.loads(messages.render_acknowledgement(mode, "a", 0, 0))["mode"] == final


WORDS = Words(("打", "开", "tv", "吧"), ((0, 200), (200, 400), (410, 900), (900, 1000)))


def stamps_of(message):
    fields = json.loads(message)
    return fields["timestamp"], fields["stamp_sents"]


def test_finals_say_when_their_words_were_said_in_the_form_of_funasr():
    stamps = stamps_of(messages.render_final("offline", "a", "打开，Tv吧。", words=WORDS))
    assert stamps == (
        "[[0,200],[200,400],[410,900],[900,1000]]",
        [
            {
                "text_seg": "打 开", "punc": "，", "start": 0, "end": 400,
                "ts_list": [[0, 200], [200, 400]],
            },
            {
                "text_seg": "Tv 吧", "punc": "。", "start": 410, "end": 1000,
                "ts_list": [[410, 900], [900, 1000]],
            },
        ],
    )  # fmt: skip
    live = messages.LiveFinal("打开，Tv吧。", 0, 1000, WORDS)
    assert stamps_of(messages.render_live_final("2pass", "a", live, last=False)) == stamps


@pytest.mark.parametrize("count", [0, times.MAX_STAMPS, times.MAX_STAMPS + 1])
def test_stamps_are_left_out_where_there_are_none_or_stock_clients_would_refuse_them(count):
    words = Words(("我",) * count, ((9_999_999, 9_999_999),) * count)
    text = "我我我我我，" * (count // 5)
    message = messages.render_final("offline", "a", text, words=words)
    assert ("timestamp" in message) == ("stamp_sents" in message) == (count == times.MAX_STAMPS)
    assert len(message.encode()) < 1 << 20


@pytest.mark.parametrize(
    ("text", "tokens", "kept"),
    [
        ("打开，tv 好。", ("打", "开", "tv", "好"), True),
        ("turn left. ok", ("turn", "left", "ok"), True),
        ("打开iphone，好。", ("打", "开", "iphone", "好"), False),
        ("2026，好。", ("2026", "好"), False),
    ],
)
def test_no_timestamp_makes_the_stock_page_fail(text, tokens, kept):
    found = times.render(text, Words(tokens, ((0, 90),) * len(tokens)))
    assert ("timestamp" in found) == kept
    assert sum(len(part["ts_list"]) for part in found["stamp_sents"]) == len(tokens)


def test_a_refused_container_is_told_in_the_words_that_clients_show():
    refused = json.loads(messages.render_final("2pass", "a", "", messages.ONLY_PCM))
    assert refused["text"] == refused["error"] == messages.ONLY_PCM


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([5, 10, 5], (5, 10, 5)),
        ([0, 8.0, "4"], (0, 8, 4)),
        ("8,8,4", (8, 8, 4)),
        ("5-10-5", (5, 10, 5)),
        (" [5, 10 5] ", (5, 10, 5)),
        ([-1, 10, 5], None),
        ([5, 0, 5], None),
        ([5, 10], None),
        ([5, 61, 5], None),
        ([5, True, 5], None),
        ([5, 10**400, 5], None),
        ("5--10", None),
        ("a,b,c", None),
        ({}, None),
    ],
)
def test_the_chunk_size_comes_in_each_of_the_known_ways(value, expected):
    found = parse({"mode": "2pass", "chunk_size": value})
    if expected is None:
        assert "chunk_size: must be three whole numbers" in found.problem
        assert parse({"chunk_size": value}).problem is None  # offline, nobody needs it
    else:
        assert found == Control(Options(mode="2pass", chunk_size=expected))


@given(st.text(max_size=200))
def test_no_text_crashes_the_parser(text):
    found = parse(text)
    assert isinstance(found, Malformed | Control)


KNOWN = st.sampled_from(
    ["mode", "wav_name", "wav_format", "audio_fs", "is_speaking", "is_finished", "is_end",
     "hotwords", "chunk_size", "itn", "svs_itn", "svs_lang"]
)  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(KNOWN, VALUE))
def test_no_value_of_a_known_field_crashes_the_parser_or_spoils_a_reply(fields):
    found = parse(fields)
    if isinstance(found, Control):
        reply = json.loads(messages.render_error("online", found.options.name, found.problem or ""))
        assert reply["wav_name"] == found.options.name
