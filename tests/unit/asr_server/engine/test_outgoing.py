"""What the engine says at once, and what may wait: nothing is lost, and all keeps its order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.engine.outgoing import REPORT_S, Outgoing
from asr_server.link import messages

BATCH = messages.BatchRan("vad", 1, 0.1, 0.1, 0.01, 0.01, "idle", (), ())
SETTLED = messages.Settled(1, 16_000)
FINAL = messages.Final(1, 0, 0, 16_000, "一")
AT_ONCE = [
    FINAL,
    messages.Partial(1, 0, "一"),
    messages.Recognized(1, "一", ()),
    messages.Failed(1, "it is poison"),
    messages.StreamEnded(1),
    messages.StreamFailed(1, "it is poison"),
    messages.OutOfMemory("asr", 60.0),
    messages.Overload(1),
]


@pytest.mark.parametrize("message", AT_ONCE, ids=lambda each: type(each).__name__)
def test_an_answer_waits_for_nothing_and_takes_along_what_was_said_before(message):
    outgoing = Outgoing()
    outgoing.add([BATCH, SETTLED], 1.0)
    assert outgoing.take(1.0) == []
    outgoing.add([message, SETTLED], 1.1)
    assert outgoing.take(1.1) == [BATCH, SETTLED, message, SETTLED]
    assert outgoing.take(9.0) == []


def test_reports_leave_after_a_while_by_themselves():
    outgoing = Outgoing()
    assert outgoing.limit_wait(None, 1.0) is None
    outgoing.add([BATCH], 1.0)
    outgoing.add([BATCH], 1.0 + REPORT_S / 2)
    assert outgoing.limit_wait(None, 1.0) == REPORT_S
    assert outgoing.limit_wait(9.0, 1.0) == REPORT_S
    assert outgoing.limit_wait(REPORT_S / 4, 1.0) == REPORT_S / 4
    assert outgoing.limit_wait(None, 2.0 + REPORT_S) == 0.0
    assert outgoing.take(1.0 + REPORT_S) == [BATCH, BATCH]
    assert outgoing.limit_wait(None, 2.0) is None


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from([BATCH, SETTLED, FINAL])), st.floats(0, 2 * REPORT_S))
    )
)
def test_all_leave_in_order_none_later_than_it_may(turns):
    outgoing, said, left, now = Outgoing(), [], [], 0.0
    for messages_of_turn, pause_s in turns:
        outgoing.add(messages_of_turn, now)
        said += [(message, now) for message in messages_of_turn]
        left += outgoing.take(now)
        assert left == [message for message, _ in said[: len(left)]]
        kept = said[len(left) :]
        assert all(message is not FINAL and now < at + REPORT_S for message, at in kept)
        now += min(pause_s, outgoing.limit_wait(pause_s, now))
    left += outgoing.take(now + REPORT_S)
    assert left == [message for message, _ in said]
