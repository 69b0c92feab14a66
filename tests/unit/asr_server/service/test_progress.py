"""How long streams spoke is told by when their audio came, whoever ends or pauses in between."""

import pytest

from asr_server.service.progress import PAUSE_S, Progress, Tally

FRAME_S, FRAME = 0.06, 960


def speak(tally, stream_id, start, stop, *, period_s=FRAME_S):
    """Let frames of one stream come at a steady pace, the first a frame after `start`."""
    for n in range(round((stop - start) / period_s)):
        tally.hear(stream_id, FRAME, start + FRAME_S + n * period_s)


def test_short_inputs_count_for_as_long_as_they_were():
    tally = Tally()
    for stream_id in range(40):
        speak(tally, stream_id, 0.0, 0.96)
        tally.settle(16 * FRAME)
        tally.forget(stream_id)
    progress = tally.take(open_streams=0)
    assert progress == Progress(0, 40, pytest.approx(38.4), pytest.approx(38.4))


def test_an_input_that_goes_on_counts_for_the_whole_window():
    tally = Tally()
    for window in range(3):
        speak(tally, 1, 3.0 * window, 3.0 * (window + 1))
        assert tally.take(1) == Progress(1, 1, pytest.approx(3.0), 0.0)
    assert tally.take(1) == Progress(1, 0, 0.0, 0.0)


@pytest.mark.parametrize("turn_s", [0.5, 2.5])
def test_a_front_that_reads_late_and_not_all_shows(turn_s):
    tally = Tally()
    tally.hear(1, FRAME, 0.0)
    tally.take(1)
    for turn in range(1, 5):  # of the event loop
        for _ in range(5):  # of more frames that were spoken
            tally.hear(1, FRAME, turn * turn_s)
    assert tally.take(1).spoken_s == pytest.approx(4 * turn_s)


def test_a_pause_is_not_spoken():
    tally = Tally()
    speak(tally, 1, 0.0, 0.6)
    speak(tally, 1, 0.6 + PAUSE_S, 1.2 + PAUSE_S)
    assert tally.take(1).spoken_s == pytest.approx(1.2)


def test_a_recording_that_is_poured_in_is_not_spoken_faster_than_time_goes():
    tally = Tally()
    tally.hear(1, 3600 * 16_000, 0.0)
    tally.hear(1, 3600 * 16_000, 0.5)
    assert tally.take(1).spoken_s == PAUSE_S + 0.5
