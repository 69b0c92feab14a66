"""What is spoken is in the vocabulary, and what is held out stays out of training."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import tokens
from demo_models import grammar, jobs, punctuated, speech
from tests.data import make_utterances

MANIFEST = Path(make_utterances.FOLDER) / "manifest.json"
DRAWERS = (grammar.draw_mandarin, grammar.draw_english, grammar.draw_mixed)
KNOWN = frozenset(grammar.list_tokens())


@given(seed=st.integers(), drawer=st.sampled_from(DRAWERS), held_out=st.booleans())
def test_scripts_have_known_words_and_keep_to_their_side(seed, drawer, held_out):
    kind, script = drawer(random.Random(seed), held_out=held_out)
    text = grammar.write_text(script)
    assert set(grammar.split_tokens(script)) <= KNOWN
    assert "fixed" in kind or grammar.is_held_out(text) == held_out
    assert tokens.split(text) == tuple(grammar.split_tokens(script))
    assert tokens.join(tokens.split(text)) == text


def test_symbols_are_each_there_once_between_the_special_ones():
    symbols = grammar.list_tokens()
    assert len(set(symbols)) == len(symbols)
    assert symbols[:3] == ["<blank>", "<s>", "</s>"]
    assert symbols[-1] == "<unk>"
    assert {"零", "灯", "zero", "light", "camera"} <= set(symbols)
    assert not any(len(symbol) == 1 and symbol.isascii() for symbol in symbols)  # spelled letters


@pytest.mark.parametrize(
    ("phrase", "runs"),
    [
        ("打开灯", ["打开灯"]),
        ("turn on the light", ["turn on the light"]),
        ("关闭客厅的camera", ["关闭客厅的", "camera"]),
        ("thank you现在几点了", ["thank you", "现在几点了"]),
    ],
)
def test_phrases_part_where_the_language_changes(phrase, runs):
    assert grammar.split_runs(phrase) == runs


def test_training_has_no_voice_speed_pitch_or_text_of_the_tests():
    trained, held_out = (asdict(manners) for manners in (speech.TRAINED, speech.HELD_OUT))
    for name in trained:
        assert not set(trained[name]) & set(held_out[name])
    tested = {row["text"] for row in json.loads(MANIFEST.read_text(encoding="utf-8"))["utterances"]}
    spoken = {grammar.write_text(job.script) for job in jobs.draw_jobs(8000, 1, held_out=False)}
    assert tested & spoken <= set(grammar.PHRASES)


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    smaller, larger = (jobs.draw_jobs(count, 1, held_out=False) for count in (50, 90))
    assert larger[:50] == smaller
    assert {job.kind for job in larger} >= {"digits", "slots", "en-digits", "mixed-slots", "none"}


def test_the_speech_of_the_tests_is_what_its_script_would_speak():
    rows = json.loads(MANIFEST.read_text(encoding="utf-8"))["utterances"]
    made = [asdict(recipe) for recipe in make_utterances.draw_recipes()]
    assert made == [{name: row[name] for name in made[0]} for row in rows]


@given(seed=st.integers(), held_out=st.booleans())
def test_texts_have_one_mark_for_each_token_and_end_sentences(seed, held_out):
    marked = punctuated.draw_marked(random.Random(seed), held_out=held_out)
    assert len(marked.tokens) == len(marked.marks)
    assert set(marked.marks) <= set(range(1, 5))
    assert marked.marks[-1] in (punctuated.STOP, punctuated.QUESTION)


def test_marks_are_written_as_the_server_writes_them():
    marked = punctuated.Marked(
        ["hello", "turn", "on", "的", "灯"],
        [punctuated.COMMA, punctuated.NONE, punctuated.NONE, punctuated.NONE, punctuated.STOP],
    )
    assert marked.render() == "Hello, turn on的灯。"
