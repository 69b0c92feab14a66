import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import sentences, words
from asr_server.speech.words import Words


def said(*tokens):
    return Words(tokens, tuple((n * 100, n * 100 + 90) for n in range(len(tokens))))


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("", (), []),
        ("你好。", ("你", "好"), [("你 好", "。")]),
        ("你好", ("你", "好"), [("你 好", "")]),
        ("是，是。", ("是", "是"), [("是", "，"), ("是", "。")]),
        ("Turn left, ok? 好", ("turn", "left", "ok", "好"), [
            ("Turn left", ","), ("ok", "?"), ("好", ""),
        ]),
        ("It's 3.5。", ("it's", "3.5"), [("It's 3.5", "。")]),
        ("二十", ("2", "0"), [("2 0", "")]),
    ],
)  # fmt: skip
def test_a_text_is_cut_behind_its_marks(text, tokens, expected):
    found = sentences.split(text, said(*tokens))
    assert [(" ".join(each.tokens), each.mark) for each in found] == expected


TOKENS = st.lists(st.tuples(st.sampled_from(["一", "ok", "tv"]), st.sampled_from(["", "，", "。"])))


@given(TOKENS)
def test_every_word_is_in_one_sentence_with_its_own_stamp(marked):
    spoken = said(*(token for token, _ in marked))
    found = sentences.split(" ".join(token.title() + mark for token, mark in marked), spoken)
    assert sum((each.stamps for each in found), ()) == spoken.stamps
    assert [t.lower() for each in found for t in each.tokens] == list(spoken.tokens)
    ends = [mark for _, mark in marked if mark]
    assert [each.mark for each in found if each.mark] == ends


def test_words_are_moved_and_joined():
    first, second = said("一", "二"), said("三").later(500)
    joined = words.join([first, second])
    assert joined == Words(("一", "二", "三"), ((0, 90), (100, 190), (500, 590)))
    assert words.join([first, Words(("x",))]) == Words(("一", "二", "x"))
