import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import endpointing
from asr_server.models.endpoint_rules import EndpointConfig, read_rules
from asr_server.speech.spans import Span

CONFIG = EndpointConfig()
SHORT = EndpointConfig(max_single_segment_time=1000)
RULES = read_rules(CONFIG, 800)


def frames(*runs):
    """Frames from (is speech, milliseconds) runs."""
    return np.concatenate([np.full(ms // 10, kind, dtype=bool) for kind, ms in runs])


def spans(is_speech, config=CONFIG, max_end_silence_ms=800):
    found = endpointing.find_spans(is_speech, read_rules(config, max_end_silence_ms))
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
    found = endpointing.find_spans(is_speech, read_rules(SHORT, 800))
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
    rules = read_rules(SHORT, silence)
    whole = endpointing.find_spans(is_speech, rules)
    heard, found, certain = endpointing.Heard(), [], []
    for piece in np.split(is_speech, np.minimum(np.cumsum(cuts, dtype=int), len(is_speech))):
        decided = heard.find_decided(rules)
        heard, spans = endpointing.follow(heard, piece, rules)
        found += spans
        assert all(span.start_ms >= decided * 10 for span in spans)
        assert heard.find_decided(rules) >= decided
        if heard.start is not None:
            certain.append((heard.start * 10, heard.find_certain(rules) * 10))
    assert [*found, *endpointing.finish(heard)] == whole
    assert heard.frames == len(is_speech)
    ends = {span.start_ms: span.end_ms for span in whole}
    assert all(start < until <= ends[start] for start, until in certain)


@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=60),
    few=st.integers(1, 12),
    silence=st.sampled_from([200, 800]),
)
def test_short_pieces_of_many_streams_stand_where_the_whole_does(runs, few, silence):
    """Frames that flicker, a few at a time, beside streams that are further and not as far."""
    is_speech = frames((False, 0), *((kind, 10 * count) for kind, count in runs))
    rules = read_rules(SHORT, silence)
    starts = [few, 0, min(200, len(is_speech))]
    heard = [endpointing.follow(endpointing.Heard(), is_speech[:at], rules)[0] for at in starts]
    found = [[], [], []]
    while any(row.frames < len(is_speech) for row in heard):
        rows = [place for place in range(3) if heard[place].frames < len(is_speech)]
        pieces = [is_speech[heard[row].frames :][: few + row] for row in rows]
        padded = np.ones((len(rows), max(map(len, pieces))), dtype=bool)
        for place, piece in zip(padded, pieces, strict=True):
            place[: len(piece)] = piece
        counts = [len(piece) for piece in pieces]
        followed = endpointing.follow_all([heard[row] for row in rows], padded, counts, rules)
        for row, (now, ended) in zip(rows, followed, strict=True):
            heard[row] = now
            found[row] += ended
    whole, spans = endpointing.follow(endpointing.Heard(), is_speech, rules)
    assert heard == [whole] * 3
    assert found[1] == list(spans)


@given(runs=RUNS)
def test_an_open_segment_starts_where_it_is_said_to_start(runs):
    is_speech = frames((False, 0), *runs)
    heard, starts = endpointing.Heard(), set()
    for frame in is_speech:
        heard, _ = endpointing.follow(heard, np.array([frame]), RULES)
        starts |= {heard.start}
    whole = endpointing.find_spans(is_speech, RULES)
    assert starts - {None} == {span.start_ms // 10 for span in whole}


@pytest.mark.parametrize("silence_ms", [300, 800, 1500])
def test_an_end_is_known_as_late_as_it_is_said_to_be(silence_ms):
    is_speech = frames((False, 500), (True, 1000), (False, 3000))
    ((_, end_ms),) = spans(is_speech, max_end_silence_ms=silence_ms)
    rules = read_rules(CONFIG, silence_ms)
    known = end_ms // 10 + rules.hindsight
    for heard, count in ((known - 1, 0), (known, 1)):
        _, ended = endpointing.follow(endpointing.Heard(), is_speech[:heard], rules)
        assert len(ended) == count


def test_a_model_without_a_state_of_silence_is_refused():
    with pytest.raises(ValueError, match="sil_pdf_ids"):
        EndpointConfig(sil_pdf_ids=())


def test_what_is_certain_waits_where_a_segment_may_end():
    heard, _ = endpointing.follow(endpointing.Heard(), frames((True, 1000)), RULES)
    assert heard.find_certain(RULES) == 100
    heard, _ = endpointing.follow(heard, frames((False, 600)), RULES)
    assert heard.find_certain(RULES) == 116
    heard, _ = endpointing.follow(heard, frames((True, 200)), RULES)
    assert heard.find_certain(RULES) == 180


def test_hours_of_silence_are_remembered_as_little_as_a_moment():
    heard = endpointing.Heard()
    for _ in range(100):
        heard, spans = endpointing.follow(heard, np.zeros(36000, dtype=bool), RULES)
        assert not spans
    assert heard == endpointing.Heard(frames=3600000)
    assert heard.find_decided(RULES) == 3600000 - 40
    heard, _ = endpointing.follow(heard, np.ones(15, dtype=bool), RULES)
    assert heard.start == 3600014 - 40
