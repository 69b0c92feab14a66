"""Errors of words and of spans are counted as they are."""

import pytest

from demo_models import scoring


def test_only_what_is_spoken_counts():
    pairs = [("turn on the light", "Turn on, the light."), ("打开灯", "打开，灯。")]
    assert scoring.character_error_rate(pairs) == 0
    assert scoring.character_error_rate([("四五", "四"), ("六七", "六七")]) == 0.25


@pytest.mark.parametrize(
    ("detected", "told"),
    [
        ([(0, 1100), (2000, 3100)], (2, 0, 0, 0)),
        ([(0, 3100)], (2, 0, 0, 1)),
        ([(0, 400)], (0, 2, 0, 0)),
        ([(0, 1000), (1200, 1900)], (1, 1, 1, 0)),
        ([], (0, 2, 0, 0)),
    ],
)
def test_spans_are_found_missed_false_or_merged(detected, told):
    count = scoring.SpeechFound()
    count.add([(100, 1000), (2000, 3000)], detected)
    assert (count.found, count.missed, count.false, count.merged) == told
