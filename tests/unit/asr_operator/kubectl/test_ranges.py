"""Times as users write them; what cannot be read says what is expected."""

from datetime import UTC, datetime

import pytest

from asr_operator.kubectl import ranges
from asr_operator.kubectl.ranges import RangeError
from asr_operator.kubectl.recording import Span

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON = NOW.timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6h", Span(NOON - 21600, NOON)),
        ("90m", Span(NOON - 5400, NOON)),
        ("1.5d", Span(NOON - 129600, NOON)),
        ("2026-01-01T10:00Z/2026-01-01T12:00:00Z", Span(NOON - 7200, NOON)),
        ("2026-01-01T10:00/2026-01-01T13:00+01:00", Span(NOON - 7200, NOON)),
    ],
)
def test_a_range_is_a_length_or_two_moments(text, expected):
    assert ranges.parse_range(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write 6h, 90m, 2d, or BEGIN/END"),
        ("6", "write 6h"),
        ("6h/", "no moment in ISO 8601"),
        ("a/b", "'a' is no moment in ISO 8601, such as 2026-01-01T08:00+01:00"),
        ("1m", "5 minutes to 7 days"),
        ("8d", "5 minutes to 7 days"),
        ("2026-01-02/2026-01-01", "must end after it begins"),
    ],
)
def test_what_is_no_range_says_what_is_expected(text, says):
    with pytest.raises(RangeError) as refused:
        ranges.parse_range(text, NOW)
    assert says in str(refused.value)


def test_a_token_is_what_its_file_holds(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    assert ranges.read_token(str(tmp_path / "token")) == "secret"
    assert ranges.read_token(None) is None
    with pytest.raises(RangeError, match="none cannot be read"):
        ranges.read_token(str(tmp_path / "none"))
