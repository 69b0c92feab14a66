"""What is sent has the length and the words that it is said to have."""

import statistics

import pytest

from benchmarks.server import lively, talks


def test_a_talk_has_its_length_and_its_words():
    (one, other) = talks.make_talks(2, 30)
    assert 30 <= one.duration_s < 35
    assert one.text != other.text
    assert talks.find_cer([one, other], {one.name: one.text + "。", other.name: other.text}) == 0
    half = len(other.text) / (len(one.text) + len(other.text))
    assert talks.find_cer([one, other], {one.name: one.text}) == pytest.approx(half)


def test_segments_are_drawn_around_their_median():
    lengths_s = [each.duration_s for each in lively.make_segments(2000)]
    assert statistics.median(lengths_s) == pytest.approx(lively.MEDIAN_S, rel=0.1)
    assert statistics.fmean(lengths_s) == pytest.approx(5.2, rel=0.1)
    assert min(lengths_s) >= 0.4
    assert max(lengths_s) <= 30
