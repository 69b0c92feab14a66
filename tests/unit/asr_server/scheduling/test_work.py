import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import work

CLASSES = st.sampled_from(["final", "partial", "file"])


def item(item_class="final", deadline=10.0, received_at=0.0):
    return work.WorkItem(1, 0, item_class, 3.0, deadline, received_at, received_at)


ORDERED = {
    "an earlier deadline": (item(deadline=1.0), item(deadline=2.0)),
    "a final before a partial": (item("final"), item("partial")),
    "a partial before a file": (item("partial"), item("file")),
    "a file that has aged before a new final": (
        item("file", deadline=1.0),
        item("final", deadline=60.0, received_at=59.0),
    ),
    "an old item without an end before a new one": (
        item(deadline=float("inf")),
        item(deadline=5000.0, received_at=4999.0),
    ),
    "the older of two that are too late": (
        item(deadline=0.0, received_at=5.0),
        item(deadline=1.0, received_at=6.0),
    ),
}


@pytest.mark.parametrize(("first", "second"), ORDERED.values(), ids=ORDERED)
def test_the_more_urgent_comes_first(first, second):
    assert work.urgency(first) < work.urgency(second)


@given(CLASSES, st.floats(0, 1e5), st.floats(0, 1e5))
def test_urgency_is_never_before_the_item_was_received_and_never_endless(kind, received_at, later):
    given_item = item(kind, deadline=received_at + later, received_at=received_at)
    most = received_at + work.LONGEST_WAIT_S + work.LAG_S[kind]
    assert received_at <= work.urgency(given_item) <= most


@pytest.mark.parametrize(
    ("start_s", "expected"),
    [(0.0, 5.0), (30.0, 5.0), (31.0, 6.0), (3600.0, 3575.0)],
    ids=["the start", "half a minute", "beyond it", "an hour"],
)
def test_later_segments_of_a_long_utterance_are_due_at_the_pace_of_speech(start_s, expected):
    assert work.segment_deadline(5.0, start_s) == expected


def test_the_vad_is_due_minutes_before_the_recogniser_but_at_the_same_pace():
    assert work.piece_deadline(5.0, 300.0) == work.segment_deadline(5.0, 0.0)
    assert work.piece_deadline(5.0, 3600.0) == work.segment_deadline(5.0, 3300.0)
