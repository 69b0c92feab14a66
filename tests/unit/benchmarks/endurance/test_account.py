"""What a long session was answered, told from its finals."""

import pytest

from benchmarks.endurance.account import Account, Memory, Said

MEMORY = [Memory(float(at), 100 + at // 8) for at in range(16)]


@pytest.fixture
def account():
    account = Account()
    for number in range(8):
        account.say(Said(f"word {number}", 10_000 * number, 10_000 * number + 4000, 10.0 * number))
    return account


def answer(account, number, text=None, at_s=1.0):
    start_ms = 10_000 * number
    account.hear(text or f"word {number}.", start_ms, start_ms + 4000, 10.0 * number + at_s)


def test_all_as_said(account):
    for number in range(8):
        answer(account, number, at_s=1.0 if number < 4 else 1.1)
    found = account.summarize(MEMORY)
    assert (found["lost"], found["stray"], found["as_said"]) == (0, 0, 8)
    assert found["median_ratio"] == pytest.approx(1.1)
    assert found["resident_ratio"] == pytest.approx(101 / 100)


def test_lost_stray_and_misheard(account):
    for number in range(1, 8):
        answer(account, number, text="other" if number == 3 else None)
    account.hear("ghost", 7000, 8000, 9.0)
    found = account.summarize(MEMORY)
    assert (found["lost"], found["stray"], found["as_said"]) == (1, 1, 6)


def test_an_utterance_in_two_finals_is_one(account):
    account.hear("wo", 0, 1000, 1.0)
    account.hear("rd 0", 1500, 4000, 2.5)
    found = account.summarize(MEMORY)
    assert (found["answered"], found["as_said"], found["stray"]) == (1, 1, 0)
    assert found["median_ms_first"] == pytest.approx(2500)
