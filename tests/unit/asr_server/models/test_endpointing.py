import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import endpointing
from asr_server.speech.spans import Span

CONFIG = endpointing.EndpointConfig()
SHORT = endpointing.EndpointConfig(max_single_segment_time=1000)


def frames(*runs):
    """Frames from (is speech, milliseconds) runs."""
    return np.concatenate([np.full(ms // 10, kind, dtype=bool) for kind, ms in runs])


def spans(is_speech, config=CONFIG, max_end_silence_ms=800):
    found = endpointing.find_spans(is_speech, config, max_end_silence_ms)
    return [(span.start_ms, span.end_ms) for span in found]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        ([(False, 5000)], []),
        # 140 ms of speech never fill the window enough
        ([(False, 1000), (True, 140), (False, 1000)], []),
        # begins at frame 114 (15 of 20 are speech), starts 40 frames before; pauses at frame 204
        ([(False, 1000), (True, 1000), (False, 2000)], [(740, 2160)]),
        ([(True, 1000), (False, 2000)], [(0, 1160)]),
        # ends with the recording when the pause is not over
        ([(True, 1000), (False, 600)], [(0, 1600)]),
        ([(True, 1000)], [(0, 1000)]),
        # a pause lasts from when the window empties until it fills again: here 650 ms
        ([(True, 1000), (False, 550), (True, 1000)], [(0, 2550)]),
        ([(True, 1000), (False, 560), (True, 1000)], [(0, 1160), (1440, 2560)]),
        ([(True, 1000), (False, 900), (True, 1000)], [(0, 1160), (1640, 2900)]),
    ],
)
def test_segments_start_before_speech_and_end_after_a_pause(runs, expected):
    is_speech = frames(*runs) if runs else np.zeros(0, dtype=bool)
    assert spans(is_speech) == expected


def test_long_speech_is_cut_and_goes_on_in_the_next_segment():
    found = spans(frames((True, 2500)), SHORT)
    assert found == [(0, 1010), (1010, 2020), (2020, 2500)]


def test_a_shorter_end_silence_parts_more():
    is_speech = frames((True, 1000), (False, 500), (True, 1000))
    assert len(spans(is_speech, max_end_silence_ms=800)) == 1
    assert len(spans(is_speech, max_end_silence_ms=300)) == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(10, 1500)), max_size=30))
def test_segments_are_in_order_apart_and_inside_the_recording(runs):
    is_speech = frames((False, 0), *runs)
    found = endpointing.find_spans(is_speech, SHORT, 800)
    edges = [edge for span in found for edge in (span.start_ms, span.end_ms)]
    assert edges == sorted(edges)
    assert all(isinstance(span, Span) and span.start_ms < span.end_ms for span in found)
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(is_speech) * 10)
    assert all(span.end_ms - span.start_ms <= 1010 for span in found)


@pytest.mark.parametrize(
    ("silence", "is_speech"),
    [(0.0, True), (1.0, False), (0.2, True), (0.21, False), (0.5, False)],
)
def test_speech_is_sixty_points_more_likely_than_silence(silence, is_speech):
    probabilities = np.array([silence], dtype=np.float64)
    assert endpointing.classify(probabilities, CONFIG).tolist() == [is_speech]


RUNS = st.lists(st.tuples(st.booleans(), st.integers(10, 1500)), max_size=30)


@given(runs=RUNS, cuts=st.lists(st.integers(0, 300), max_size=40), silence=st.integers(150, 900))
def test_frames_as_they_come_give_the_segments_of_the_whole(runs, cuts, silence):
    is_speech = frames((False, 0), *runs)
    whole = endpointing.find_spans(is_speech, SHORT, silence)
    heard, found, certain = endpointing.Heard(), [], []
    for piece in np.split(is_speech, np.minimum(np.cumsum(cuts, dtype=int), len(is_speech))):
        decided = heard.find_decided(SHORT)
        heard, spans = endpointing.follow(heard, piece, SHORT, silence)
        found += spans
        assert all(span.start_ms >= decided * 10 for span in spans)
        assert heard.find_decided(SHORT) >= decided
        if heard.start is not None:
            certain.append((heard.start * 10, heard.find_certain(SHORT, silence) * 10))
    assert [*found, *endpointing.finish(heard)] == whole
    assert heard.frames == len(is_speech)
    ends = {span.start_ms: span.end_ms for span in whole}
    assert all(start < until <= ends[start] for start, until in certain)


@given(runs=RUNS)
def test_an_open_segment_starts_where_it_is_said_to_start(runs):
    is_speech = frames((False, 0), *runs)
    heard, starts = endpointing.Heard(), set()
    for frame in is_speech:
        heard, _ = endpointing.follow(heard, np.array([frame]), CONFIG, 800)
        starts |= {heard.start}
    whole = endpointing.find_spans(is_speech, CONFIG, 800)
    assert starts - {None} == {span.start_ms // 10 for span in whole}


@pytest.mark.parametrize("silence_ms", [300, 800, 1500])
def test_an_end_is_known_as_late_as_it_is_said_to_be(silence_ms):
    is_speech = frames((False, 500), (True, 1000), (False, 3000))
    ((_, end_ms),) = spans(is_speech, max_end_silence_ms=silence_ms)
    known = (end_ms + endpointing.find_hindsight_ms(CONFIG, silence_ms)) // 10
    for heard, count in ((known - 1, 0), (known, 1)):
        _, ended = endpointing.follow(endpointing.Heard(), is_speech[:heard], CONFIG, silence_ms)
        assert len(ended) == count


def test_what_is_certain_waits_where_a_segment_may_end():
    heard, _ = endpointing.follow(endpointing.Heard(), frames((True, 1000)), CONFIG, 800)
    assert heard.find_certain(CONFIG, 800) == 100
    heard, _ = endpointing.follow(heard, frames((False, 600)), CONFIG, 800)
    assert heard.find_certain(CONFIG, 800) == 116
    heard, _ = endpointing.follow(heard, frames((True, 200)), CONFIG, 800)
    assert heard.find_certain(CONFIG, 800) == 180


def test_hours_of_silence_are_remembered_as_little_as_a_moment():
    heard = endpointing.Heard()
    for _ in range(100):
        heard, spans = endpointing.follow(heard, np.zeros(36000, dtype=bool), CONFIG, 800)
        assert not spans
    assert heard == endpointing.Heard(frames=3600000)
    assert heard.find_decided(CONFIG) == 3600000 - 40
    heard, _ = endpointing.follow(heard, np.ones(15, dtype=bool), CONFIG, 800)
    assert heard.start == 3600014 - 40
