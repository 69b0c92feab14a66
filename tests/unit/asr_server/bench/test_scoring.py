"""Errors of words are counted as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.bench import scoring

TEXTS = st.text(alphabet="abc一", max_size=8)


@pytest.mark.parametrize(
    ("wanted", "found", "errors"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("", "ab", 2),
        ("abc", "axc", 1),
        ("abc", "bc", 1),
        ("ab", "ba", 2),
    ],
)
def test_edits_are_counted(wanted, found, errors):
    assert scoring.count_errors(wanted, found) == errors


@given(TEXTS, TEXTS, TEXTS)
def test_edits_are_a_distance(one, two, three):
    assert scoring.count_errors(one, two) == scoring.count_errors(two, one)
    assert (scoring.count_errors(one, two) == 0) == (one == two)
    way = scoring.count_errors(one, two) + scoring.count_errors(two, three)
    assert scoring.count_errors(one, three) <= way
