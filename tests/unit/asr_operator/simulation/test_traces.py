"""Bad traces name their line and say what is expected."""

import pytest

from asr_operator.simulation.traces import TraceError, parse_trace
from asr_operator.simulation.workload import Call

HEADER = "start_s,audio_s\n"


def test_a_trace_begins_with_its_first_session():
    assert parse_trace([HEADER, "5,3\n", "6.5,2\n"]) == [Call(0.0, 3.0), Call(1.5, 2.0)]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "line 1: there is no session"),
        ([HEADER], "line 1: there is no session"),
        (["a,b\n"], "line 1: the header must be start_s,audio_s, but is 'a,b'"),
        ([HEADER, "1,2\n", "\n"], "line 3: it is empty"),
        ([HEADER, "1,2\n", "x,2\n"], "line 3: two numbers are expected"),
        ([HEADER, "1\n"], "line 2: two numbers are expected"),
        ([HEADER, "1,2,3\n"], "line 2: two numbers are expected"),
        ([HEADER, "nan,2\n"], "line 2: the first number must be finite"),
        ([HEADER, "1,0\n"], "line 2: the first number must be finite, the second above 0"),
        ([HEADER, "1,inf\n"], "line 2: the first number must be finite, the second above 0"),
        ([HEADER, "3,1\n", "2,1\n"], "line 3: it begins at 2 s, before the line above"),
        ([HEADER, "0,1\n", "9e9,1\n"], "line 3: a trace is at most 7 days"),
    ],
)
def test_a_bad_trace_names_its_line(lines, says):
    with pytest.raises(TraceError) as caught:
        parse_trace(lines)
    assert says in str(caught.value)
