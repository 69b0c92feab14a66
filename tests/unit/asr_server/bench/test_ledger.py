import math

import pytest

from asr_server.bench import ledger

SAID = {"1": "上一首歌", "2": "暂停播放"}


def settle(*answers, events=()):
    book = ledger.Ledger()
    for name, said in SAID.items():
        book.send(name, said, 10.0)
    for name, text in answers:
        book.receive(name, text, 10.25)
    for event in events:
        book.count(event)
    return book.settle()


WELL = [("1", "上一首歌。"), ("2", "暂停播放。")]


def test_what_is_received_as_it_was_sent_is_whole():
    account = settle(*WELL, events=["session", "moved", "said_again"])
    assert account.is_whole
    assert (account.sent, account.received, account.misheard) == (2, 2, 0)
    assert (account.sessions, account.moved, account.said_again) == (1, 1, 1)


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        (WELL[:1], "lost"),
        ([*WELL, WELL[0]], "doubled"),
        ([*WELL, ("3", "再见")], "doubled"),
        ([WELL[0], ("2", "上一首歌")], "mixed_up"),
        ([WELL[0], ("2", "")], "refused"),
    ],
)
def test_each_fault_is_counted_as_itself(answers, fault):
    account = settle(*answers)
    faults = ("lost", "doubled", "mixed_up", "refused", "misheard", "cut", "given_up")
    assert {name: getattr(account, name) for name in faults} == dict.fromkeys(faults, 0) | {
        fault: 1
    }
    assert not account.is_whole


@pytest.mark.parametrize("fault", ["cut", "given_up"])
def test_a_stream_that_was_cut_is_not_whole(fault):
    account = settle(*WELL, events=[fault])
    assert getattr(account, fault) == 1
    assert not account.is_whole


def test_other_words_are_misheard_unless_somebody_else_said_them():
    account = settle(WELL[0], ("2", "暂停播送。"))
    assert (account.misheard, account.mixed_up) == (1, 0)
    assert account.is_whole


def test_latency_counts_from_when_the_end_was_due_and_what_is_lost_is_never_there():
    book = ledger.Ledger()
    book.send("1", "a", 10.0)
    book.send("2", "b", 11.0)
    book.send("3", "c", 30.0)
    book.receive("1", "a", 10.25)
    book.receive("1", "a", 99.0)
    assert book.latencies_s(10.0, 30.0) == [0.25, math.inf]


def test_what_is_said_again_after_a_move_is_due_later():
    book = ledger.Ledger()
    book.send("1", "a", 10.0)
    book.send("1", "a", 20.0)
    book.receive("1", "a", 20.5)
    assert book.latencies_s(0, 99) == [0.5]
    assert book.settle().sent == 1


@pytest.mark.parametrize(
    ("values", "ratio", "wanted"),
    [([], 0.95, None), ([3], 0.95, 3), (range(1, 101), 0.95, 95), ([1, 2, 3, 4], 0.5, 2)],
)
def test_quantile_is_a_value_that_was_seen(values, ratio, wanted):
    assert ledger.quantile(values, ratio) == wanted


def test_parts_of_a_live_utterance_are_one_answer_and_more_is_another():
    book = ledger.Ledger()
    book.send("1", "上一首歌", 10.0)
    book.hear("1", "上一，", 9.0)
    book.hear("1", "首歌。", 10.5)
    assert book.settle().is_whole
    assert book.entries["1"].latency_s == 0.5
    book.hear("1", "上一首歌。", 11.0)
    assert book.settle().doubled == 1
    assert book.entries["1"].latency_s == 0.5


def test_wrong_characters_are_counted_over_those_said():
    book = ledger.Ledger()
    for name in SAID:
        book.send(name, SAID[name], 10.0)
    book.receive("1", "上一首", 10.1)
    assert book.settle().cer == 5 / 8
