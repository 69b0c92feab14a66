import numpy as np
import pytest

from asr_server.engine import banks

BEGIN = 70  # samples: of a stream that was opened again


def make_bank(*lengths):
    """Return a bank of parts whose frames are their numbers."""
    bank, count = banks.StreamBank(BEGIN), 0
    for length in lengths:
        bank.add([np.arange(count, count + length)])
        count += length
    return bank


def cut(bank, first, frames, before=0):
    found = bank.cut(BEGIN + first * 160, BEGIN + (first + frames) * 160)
    return [frame for part in found.cut(before, before + frames) for frame in part.tolist()]


@pytest.mark.parametrize("lengths", [(40,), (6, 6, 6, 6, 6, 6, 4), (1,) * 40, (17, 3, 20)])
@pytest.mark.parametrize(
    ("first", "frames", "before"),
    [(0, 40, 0), (0, 6, 0), (12, 6, 0), (13, 7, 3), (30, 10, 6), (5, 1, 5), (39, 1, 16)],
)
def test_frames_are_those_of_the_audio_and_of_what_is_before_it(lengths, first, frames, before):
    wanted = list(range(first - before, first + frames))
    assert cut(make_bank(*lengths), first, frames, before) == wanted


def test_what_is_not_known_yet_is_left_out():
    assert cut(make_bank(6, 6), 10, 60) == [10, 11]


def test_nothing_is_known_of_what_was_released():
    bank = make_bank(6, 6, 6)
    bank.release(BEGIN + 13 * 160)
    assert cut(bank, 12, 6) == list(range(12, 18))
    assert cut(bank, 11, 6) == []
    assert cut(bank, 14, 4, before=3) == []


@pytest.mark.parametrize("position", [BEGIN + 1, BEGIN + 161])
def test_audio_between_frames_has_no_bank(position):
    assert make_bank(40).cut(position, position + 1600) is None


def test_a_bank_without_parts_is_none():
    bank = make_bank()
    bank.release(BEGIN + 1600)
    assert bank.cut(BEGIN, BEGIN + 1600) is None


def test_a_bank_that_nobody_releases_is_bounded():
    bank = make_bank(*[12] * 1000)
    found = bank.cut(BEGIN, BEGIN + 12_000 * 160)
    assert banks.MOST_FRAMES <= sum(map(len, found.parts)) < banks.MOST_FRAMES + 12
    assert cut(bank, 11_000, 1000) == list(range(11_000, 12_000))
    assert cut(bank, 0, 1000) == []
