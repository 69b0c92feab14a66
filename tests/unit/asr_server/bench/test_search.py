"""The search finds the largest number that holds, in few trials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.bench import search


def find(limit, first, most):
    """Search where up to `limit` sessions hold; return the answer and the trials."""
    held = {}
    while (sessions := search.choose_next(held, first, most)) is not None:
        assert sessions not in held, "no number is tried twice"
        held[sessions] = sessions <= limit
    return search.find_largest(held), list(held)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({}, 8),
        ({8: True}, 16),
        ({8: True, 16: False}, 12),
        ({8: True, 16: False, 12: True}, 14),
        ({8: True, 16: False, 12: True, 14: True}, 15),
        ({8: False}, 4),
        ({8: False, 4: False, 2: False, 1: False}, None),
        ({100: True}, None),
        ({64: True}, 100),
        ({16: False, 20: True}, 40),
    ],
)
def test_what_is_tried_next(held, expected):
    assert search.choose_next(held, 8, 100) == expected


@given(st.integers(0, 5000), st.integers(1, 100), st.integers(100, 5000))
def test_the_answer_holds_and_is_within_five_percent(limit, first, most):
    found, tried = find(limit, first, most)
    assert found <= min(limit, most) <= found + max(1, 0.05 * (found + 1) / 0.95)
    assert len(tried) <= 22
