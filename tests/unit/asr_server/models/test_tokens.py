import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import tokens

TOKENS = st.lists(st.sampled_from(["中", "文", "hello", "AB", "42", "it's", "語", "세계."]))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], ()),
        (["打", "开"], ("打", "开")),
        (["<s>", "打", "<unk>", "开", "</s>"], ("打", "开")),
        (["hel@@", "lo", "wor@@", "ld"], ("hello", "world")),
        (["看", "tele@@", "vi@@", "sion", "吧"], ("看", "television", "吧")),
        (["n", "b", "a", "比", "赛"], ("NBA", "比", "赛")),
        (["i", "see"], ("i", "see")),
        (["it's", "a", "b"], ("it's", "AB")),
        (["1", "2", "点"], ("12", "点")),
        (["room", "3", "灯"], ("room3", "灯")),
        (["wor@@"], ("wor",)),
    ],
)
def test_pieces_become_characters_and_whole_words(pieces, expected):
    assert tokens.from_pieces(pieces) == expected


@pytest.mark.parametrize(
    ("given_tokens", "expected"),
    [
        ([], ""),
        (["打", "开", "灯"], "打开灯"),
        (["hello", "world"], "hello world"),
        (["看", "NBA", "比", "赛"], "看NBA比赛"),
        (["안녕하세요", "NBA", "세계."], "안녕하세요 NBA 세계."),
    ],
)
def test_only_words_are_parted_by_spaces(given_tokens, expected):
    assert tokens.join(given_tokens) == expected


@given(TOKENS)
def test_text_splits_into_the_tokens_it_was_joined_from(given_tokens):
    assert tokens.split(tokens.join(given_tokens)) == tuple(given_tokens)


@pytest.mark.parametrize(
    ("pieces", "finished"),
    [([], 0), (["打", "开"], 2), (["打", "te@@"], 1), (["te@@", "le@@"], 0), (["te@@", "le"], 2)],
)
def test_a_word_that_goes_on_is_not_finished(pieces, finished):
    assert tokens.count_finished(pieces) == finished


def test_special_outputs_have_no_piece():
    assert tokens.name_pieces([1, 3, 0, 4, 2], ["<blank>", "<s>", "</s>", "a", "b"]) == ("a", "b")


@given(TOKENS, st.integers(0, 10))
def test_parts_that_follow_each_other_join_to_the_same_text(given_tokens, cut):
    first = tokens.join(given_tokens[:cut])
    second = tokens.join(given_tokens[cut:], after=first[-1:])
    assert first + second == tokens.join(given_tokens)
