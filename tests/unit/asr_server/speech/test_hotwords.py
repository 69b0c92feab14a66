"""Hotwords come in many shapes and leave in one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import hotwords
from asr_server.speech.hotwords import Hotword

JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"阿里巴巴": 20, "通义": 30}', {"阿里巴巴": 20, "通义": 30}),
        ({"hello": 5}, {"hello": 5}),
        (["hello", "world"], {"hello": 20, "world": 20}),
        ('["hello"]', {"hello": 20}),
        ("hello,world", {"hello": 20, "world": 20}),
        ("hello world\nagain", {"hello": 20, "world": 20, "again": 20}),
        ("阿里\uff0c通义\u3001语音", {"阿里": 20, "通义": 20, "语音": 20}),
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ("12", {"12": 20}),
        ("{broken", {"{broken": 20}),
        ({" padded ": 3, "": 4}, {"padded": 3}),
        ({"none": None, "text": "9", "zero": 0, "huge": 1e30, "nan": float("nan")},
         {"none": 20, "text": 20, "zero": 20, "huge": 20, "nan": 20}),
        ([1, None, ["x"], "kept"], {"kept": 20}),
        (["x" * 64, " x ", "x"], {"x" * 64: 20, "x": 20}),
    ],
)  # fmt: skip
def test_every_form_that_clients_send_is_understood(value, expected):
    assert hotwords.parse_hotwords(value) == tuple(Hotword(*pair) for pair in expected.items())


@pytest.mark.parametrize("value", [5, True, 0.5, None])
def test_other_kinds_are_refused_with_a_reason(value):
    with pytest.raises(ValueError, match="hotwords must be"):
        hotwords.parse_hotwords(value)


def test_too_many_words_and_words_too_long_are_refused_with_a_reason():
    assert len(hotwords.parse_hotwords([f"w{n}" for n in range(1000)] * 2)) == 1000
    with pytest.raises(ValueError, match="there may be 1000 words, not 1001"):
        hotwords.parse_hotwords([f"w{n}" for n in range(1001)])
    with pytest.raises(ValueError, match="a word may have 64 characters, not more"):
        hotwords.parse_hotwords("short " + "x" * 65)
    full = [f"{n:03}".ljust(50, "x") for n in range(200)]
    assert len(hotwords.parse_hotwords(full)) == 200
    with pytest.raises(ValueError, match="all words may have 10000 characters, not 10001"):
        hotwords.parse_hotwords([*full, "y"])


@given(
    st.text(max_size=60) | st.lists(JSON_VALUE) | st.dictionaries(st.text(max_size=20), JSON_VALUE)
)
def test_whatever_comes_in_usable_words_come_out(value):
    for found in hotwords.parse_hotwords(value):
        assert 0 < len(found.word) <= hotwords.MAX_HOTWORD_CHARS
        assert 1 <= found.weight <= hotwords.MAX_WEIGHT
        assert json.dumps(found.word)
