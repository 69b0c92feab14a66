import pytest

from asr_server.models import punctuation


@pytest.mark.parametrize(
    ("tokens", "marks", "expected"),
    [
        ([], [], ""),
        (["你", "好"], ["_", "。"], "你好。"),
        (["你", "好"], ["_", "_"], "你好。"),
        (["你", "好"], ["，", "，"], "你，好。"),
        (["好", "吗"], ["_", "？"], "好吗？"),
        (["好", "吗"], ["_", "、"], "好吗。"),
        (["hello", "world"], ["，", "_"], "Hello, world."),
        (["看", "NBA", "吧"], ["_", "_", "_"], "看NBA吧。"),
        (["好", "ok", "go"], ["。", "？", "_"], "好。Ok? Go."),
        (["好", "吧"], ["<unk>", "。"], "好吧。"),
    ],
)
def test_text_has_the_marks_of_its_script_and_ends_in_a_full_stop(tokens, marks, expected):
    assert punctuation.render(tokens, marks) == expected


def read_through(length, mark_of):
    """Run a draft over token numbers whose marks are given by number; return what it read."""
    draft = punctuation.Draft(range(length))
    rounds = []
    while not draft.is_done:
        rounds.append(len(draft.unread))
        draft.accept([mark_of(number) for number in draft.unread])
    return rounds, draft.marks


@pytest.mark.parametrize(
    ("length", "stops", "rounds"),
    [
        (0, [], []),
        (20, [], [20]),
        (21, [], [20, 21]),
        (45, [9], [20, 30, 35]),
        (45, [9, 39], [20, 30, 35]),
        # the last two tokens and the first two of a round are never its sentence end
        (25, [19], [20, 25]),
        (25, [18], [20, 6]),
        (25, [1], [20, 25]),
    ],
)
def test_a_round_reads_the_unfinished_sentence_and_twenty_more(length, stops, rounds):
    read, marks = read_through(length, lambda number: "。" if number in stops else "_")
    assert read == rounds
    assert [number for number, mark in enumerate(marks) if mark == "。"] == stops


def test_a_sentence_over_two_hundred_tokens_is_ended_at_its_last_comma():
    _, marks = read_through(240, lambda number: "，" if number in (5, 150) else "_")
    assert marks[150] == "。"
    assert marks[5] == "，"


@pytest.mark.parametrize("mark", ["_", "，"])
def test_a_text_of_any_length_is_read_in_rounds_of_bounded_length(mark):
    rounds, marks = read_through(10_000, lambda _: mark)
    assert len(marks) == 10_000
    assert max(rounds) <= punctuation.LONGEST_READ_TOKENS + 20


def test_a_sentence_that_is_cut_for_its_length_gets_no_mark_for_that():
    _, marks = read_through(3000, lambda _: "_")
    assert set(marks) == {"_"}
