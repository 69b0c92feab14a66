"""What the engine leaves undone while it is late, and that finals are never among it."""

import pytest

from asr_server.engine import overload
from asr_server.link import messages
from tests.unit.asr_server.engine.callers import sound

LATE = messages.SheddingLimits(late_ms=100.0, partial_interval_ms=1200.0)
LIMITS = messages.BatchLimits(batch_size=8, batch_audio_s=60.0, max_wait_ms=5.0)


def work(front, *arriving):
    """Turn until nothing is left to do but to watch the ladder; return all replies."""
    replies, wait_s = [], 0.0
    while wait_s is not None and wait_s < overload.WATCH_S / 2:
        front.clock.now += wait_s
        told, wait_s = front.turn(*arriving)
        replies, arriving = replies + told, ()
    return replies


def be_late(front, step):
    """Let live work be late until this step is in force."""
    caller = front.call()
    replies = work(front, messages.Configure(LIMITS, LATE), caller.opening)
    for _ in range(20):
        feed = caller.say((0, 0.06))
        front.clock.now += 2.0
        replies += front.turn(feed)[0]
        if step_of(replies) == step:
            return work(front, messages.CancelStream(caller.stream_id))
    raise AssertionError(f"the ladder stands at {step_of(replies)}")


def step_of(replies):
    told = [reply.step for reply in replies if isinstance(reply, messages.Overload)]
    return told[-1] if told else 0


def shed(replies, what):
    return sum(getattr(reply, what) for reply in replies if isinstance(reply, messages.Overload))


def speak(front, mode="2pass", seconds=2.5):
    """Let a caller speak in frames; return the caller after its end, and all replies."""
    caller = front.call(mode=mode)
    replies = work(front, caller.opening) + say(front, caller, (7, seconds), (0, 0.5))
    return caller, replies + work(front, caller.end)


def say(front, caller, *parts):
    """Let a caller say parts in frames of 60 ms; return all replies."""
    audio = sound(*parts)
    frames = (audio[start : start + 960] for start in range(0, len(audio), 960))
    return [reply for frame in frames for reply in work(front, caller.feed(frame))]


def test_an_engine_in_time_sheds_nothing(front):
    caller, replies = speak(front)
    assert caller.order.count("Partial") == 4
    assert not [reply for reply in replies if isinstance(reply, messages.Overload)]


def test_first_partials_come_less_often(front):
    be_late(front, 1)
    caller, replies = speak(front)
    assert caller.order.count("Partial") == 4  # two at a time: all that is certain is taken
    assert caller.outcome == "ended"
    assert [final.text for final in caller.finals] == ["t7."]
    late = [index for index, kind in enumerate(caller.order) if kind == "Partial"]
    assert late[1] == late[0] + 1
    assert shed(replies, "partials") == 0


def test_partials_that_the_final_overtakes_are_never_computed(front):
    be_late(front, 1)
    caller, replies = speak(front, seconds=1.0)
    assert caller.order.count("Partial") == 0
    assert [final.text for final in caller.finals] == ["t7."]
    assert shed(replies, "partials") == 1


def test_then_there_are_none(front):
    be_late(front, 2)
    caller, replies = speak(front)
    assert caller.order.count("Partial") == 0
    assert [final.text for final in caller.finals] == ["t7."]
    assert shed(replies, "partials") == 4


def test_an_utterance_without_partials_stays_so_but_the_next_has_them(front):
    be_late(front, 2)
    caller = front.call()
    work(front, caller.opening, caller.say((7, 1.0)))
    replies = []
    for _ in range(20):
        front.clock.now += 1.0
        replies += work(front)
    assert [reply.step for reply in replies] == [1, 0]
    say(front, caller, (7, 1.5), (0, 0.5), (8, 1.5), (0, 0.5))
    assert [final.text for final in caller.finals] == ["t7.", "t8."]
    assert caller.partials.keys() == {1}


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_online_loses_no_word(front, step):
    normal, _ = speak(front, mode="online")
    be_late(front, step)
    late, replies = speak(front, mode="online")
    assert late.partials == normal.partials
    assert [final.text for final in late.finals] == [final.text for final in normal.finals]
    assert shed(replies, "partials") == 0


def test_then_files_wait_for_all_that_is_live_even_very_old_ones(front):
    be_late(front, 3)
    file = front.speak((9, 1.0))
    old, young = front.clock.now - 100.0, front.clock.now
    file = messages.Recognize(file.item_id, "file", file.offset, file.samples, old, old)
    callers = [front.call() for _ in range(3)]
    sent = [m for c in callers for m in (c.opening, c.say((7, 1.0)), c.end)]
    replies = work(front, file, *sent)
    order = [type(reply).__name__ for reply in replies]
    assert order.index("Recognized") > max(
        index for index, kind in enumerate(order) if kind == "Final"
    )
    assert shed(replies, "files") == 1
    assert front.clock.now < young + 60.0


def test_files_that_are_there_already_are_counted_when_they_begin_to_wait(front):
    front.run(messages.Configure(LIMITS, LATE))
    files = [front.speak((9, 1.0), within_s=1000.0) for _ in range(3)]
    caller = front.call()
    replies, _ = front.turn(*files, caller.opening, caller.say((0, 0.06)))
    for _ in range(8):
        feed = caller.say((0, 0.06))
        front.clock.now += 2.0
        replies += front.turn(feed)[0]
    assert shed(replies, "files") == 3
    done = [r for r in front.run() if isinstance(r, messages.Recognized)]
    assert len(done) == 3


def test_a_step_is_left_where_nothing_comes_any_more(front):
    be_late(front, 4)
    (replies, wait_s), waited_s = front.turn(), 0.0
    while wait_s is not None:
        front.clock.now += wait_s
        waited_s += wait_s
        told, wait_s = front.turn()
        replies += told
    assert step_of(replies) == 0
    assert 6.5 <= waited_s <= 9.0


def test_late_files_alone_shed_nothing(front):
    front.run(messages.Configure(LIMITS, LATE))
    replies = []
    for _ in range(20):
        file = front.speak((9, 1.0))
        front.clock.now += 300.0
        replies += front.turn(file)[0]
    assert step_of(replies) == 0
