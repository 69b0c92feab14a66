import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling.pace import Pace


def hear(*heard, start_s=0.0):
    pace = Pace(start_s)
    for end_s, received_at in heard:
        pace.take(end_s, received_at)
    return pace


@pytest.mark.parametrize(
    ("heard", "position_s", "since", "due"),
    [
        ([(0.6, 10.0)], 0.6, 10.0, 10.0),
        ([(0.6, 10.0), (1.2, 10.6)], 1.2, 10.6, 10.6),
        ([(0.6, 10.0), (3.6, 14.0)], 3.6, 14.0, 14.0),  # what was held up comes at once
        ([], 0.0, 10.0, 10.0),
        ([(64.0, 10.0)], 1.0, 10.0, 10.0),
        ([(63.0, 10.0)], 63.0, 10.0, 68.0),
        ([(0.6, 10.0), (105.6, 10.1)], 105.6, 10.1, 109.0),  # much more than can be spoken
        ([(0.6, 10.0), (105.6, 10.1)], 0.6, 10.1, 10.1),
    ],
)
def test_audio_is_due_when_it_could_have_been_spoken(heard, position_s, since, due):
    assert hear(*heard).due(position_s, since) == pytest.approx(due)


@given(
    st.floats(0.95, 1.0),
    st.lists(st.floats(0.01, 0.9), min_size=1, max_size=200),
    st.floats(0.0, 0.05),
)
def test_who_speaks_is_never_ahead_however_the_audio_is_cut(slowness, pieces, clock):
    end_s, pace = 0.0, Pace(0.0)
    for piece_s in pieces:
        end_s += piece_s
        received_at = 100.0 + end_s * slowness
        pace.take(end_s, received_at)
        assert pace.due(end_s, received_at) <= received_at + 0.05
