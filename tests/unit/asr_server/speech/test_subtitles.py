"""Cues are readable, in order, and lose no text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech.subtitles import Cue, cut_cues, cut_text, render_srt, render_vtt


def test_a_text_is_cut_after_its_sentences_and_the_time_shared_by_length():
    assert cut_text("你好。打开灯光！", 1000, 9000) == [
        Cue(1000, 4000, "你好。"),
        Cue(4000, 9000, "打开灯光！"),
    ]


def test_a_point_ends_a_sentence_only_before_a_space():
    assert [cue.text for cue in cut_text("it is 3.5 now. turn left", 0, 100)] == [
        "it is 3.5 now.",
        "turn left",
    ]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_no_text_is_no_cue(text):
    assert cut_text(text, 0, 1000) == []


def test_a_long_sentence_is_cut_at_commas_then_between_words():
    commas = "一二三四五六七八九十，" * 6
    assert [len(cue.text) for cue in cut_text(commas, 0, 60000)] == [33, 33]
    words = " ".join(["seven"] * 30)
    assert all(cue.text.startswith("seven") for cue in cut_text(words, 0, 60000))


@given(st.text(st.sampled_from("你好 a1，。?.!\n"), max_size=400), st.integers(0, 10**8))
def test_nothing_is_lost_and_times_go_forward(text, duration_ms):
    cues = cut_text(text, 0, duration_ms)
    assert re.sub(r"\s", "", "".join(cue.text for cue in cues)) == re.sub(r"\s", "", text)
    assert all(0 < len(cue.text) <= 42 for cue in cues)
    edges = [0, *(edge for cue in cues for edge in (cue.start_ms, cue.end_ms))]
    assert edges == sorted(edges)
    assert not cues or cues[-1].end_ms == duration_ms
    assert cut_cues(cues) == cues


CUES = [Cue(0, 1500, "你好。"), Cue(3_661_007, 3_662_000, "a <b> & c")]


def test_srt():
    assert render_srt(CUES) == (
        "1\n00:00:00,000 --> 00:00:01,500\n你好。\n\n2\n01:01:01,007 --> 01:01:02,000\na <b> & c\n"
    )


def test_vtt():
    assert render_vtt(CUES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n你好。\n\n"
        "01:01:01.007 --> 01:01:02.000\na &lt;b&gt; &amp; c\n"
    )
