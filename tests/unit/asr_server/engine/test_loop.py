import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_server.link import messages

POISON, HUGE = 666, 777


def batches(replies, stage="asr"):
    ran = [reply for reply in replies if isinstance(reply, messages.BatchRan)]
    return [batch for batch in ran if batch.stage == stage]


def test_an_utterance_is_answered_with_its_text_and_the_segments_of_its_speech(front):
    request = front.speak((1, 2.0), (2, 1.0))
    assert front.answers(request) == {
        request.item_id: messages.Recognized(
            request.item_id,
            "t1 t2.",
            (
                messages.Segment(0, 2000, ("t1",), ((10, 2000),)),
                messages.Segment(2100, 3100, ("t2",), ((2110, 3100),)),
            ),
        )
    }


def test_silence_is_answered_with_an_empty_text_and_costs_no_recognition(front):
    request = front.speak((0, 3.0))
    assert front.answers(request)[request.item_id] == messages.Recognized(request.item_id, "", ())
    assert front.models.batches == [("vad", 1)]


def test_an_utterance_without_samples_has_an_empty_text(front):
    request = front.speak()
    assert front.answers(request)[request.item_id].text == ""


def test_without_punctuation_tokens_are_joined(make_front):
    front = make_front(has_punctuation=False)
    request = front.speak((1, 2.0), (2, 1.0))
    assert front.answers(request)[request.item_id].text == "t1 t2"


def test_utterances_of_several_sessions_share_batches(front):
    requests = [front.speak((value, 2.0)) for value in range(1, 6)]
    replies = front.run(*requests)
    sizes = {stage: [batch.size for batch in batches(replies, stage)] for stage in ("vad", "asr")}
    assert sizes == {"vad": [5], "asr": [5]}


def test_a_batch_is_reported_with_what_it_cost_and_how_long_its_items_waited(make_front):
    front = make_front(max_wait_ms=0.0)
    first, second = front.speak((1, 2.0)), front.speak((2, 1.9), item_class="final")
    front.clock.now += 0.5
    (report,) = batches(front.run(first, second))
    assert report == messages.BatchRan(
        stage="asr",
        size=2,
        audio_s=pytest.approx(3.9),
        padded_s=pytest.approx(4.0),
        busy_s=pytest.approx(0.01),
        took_s=pytest.approx(0.01),
        reason="idle",
        classes=("final", "file"),
        waits=(0.0, 0.0),
    )


def test_the_wait_for_the_first_stage_counts_from_when_the_front_received(make_front):
    front = make_front(max_wait_ms=0.0)
    request = front.speak((1, 2.0))
    front.clock.now += 0.5
    (report,) = batches(front.run(request), "vad")
    assert report.waits == (pytest.approx(0.5),)


def test_new_limits_hold_from_the_next_batch_on(front):
    requests = [front.speak((1, 2.0)) for _ in range(6)]
    replies = front.loop.turn(requests).replies
    limits = messages.BatchLimits(batch_size=2, batch_audio_s=60.0, max_wait_ms=0.0)
    replies += front.run(messages.Configure(limits))
    assert [batch.size for batch in batches(replies)] == [2, 2, 2]


def test_a_cancelled_utterance_is_neither_computed_nor_answered(front):
    kept, dropped = front.speak((1, 2.0)), front.speak((2, 2.0))
    answers = front.answers(kept, dropped, messages.Cancel(dropped.item_id))
    assert list(answers) == [kept.item_id]
    assert front.models.batches == [("vad", 1), ("asr", 1), ("punc", 1)]


def test_cancelling_drops_the_segments_that_wait(front):
    request = front.speak((1, 2.0), (2, 2.0), (3, 2.0))
    front.clock.now += 1.0
    assert front.loop.turn([request]).wait_s == 0.0
    assert front.answers(messages.Cancel(request.item_id)) == {}
    assert front.models.batches == [("vad", 1)]


def test_cancelling_what_is_unknown_changes_nothing(front):
    assert front.run(messages.Cancel(12345)) == []


def test_a_poisonous_utterance_fails_alone(front):
    requests = [front.speak((value, 2.0)) for value in (1, 2, POISON, 4, 5)]
    answers = front.answers(*requests)
    failed = [item_id for item_id, a in answers.items() if isinstance(a, messages.Failed)]
    assert failed == [requests[2].item_id]
    assert answers[failed[0]].reason == "ValueError: poison in the batch"
    assert len(answers) == 5


def test_an_utterance_with_two_poisonous_segments_fails_once(front):
    request = front.speak((POISON, 2.0), (1, 2.0), (POISON, 2.0))
    assert isinstance(front.answers(request)[request.item_id], messages.Failed)
    assert ("punc", 1) not in front.models.batches


def test_a_request_outside_of_the_arena_fails(front):
    end = len(front.audio)
    for offset, samples in ((end, 1), (-1, 1), (0, end + 1), (0, -1)):
        request = messages.Recognize(offset + 2, "file", offset, samples, 0.0, 1.0)
        (answer,) = front.answers(request).values()
        assert "not in the arena" in answer.reason


def test_what_does_not_fit_into_memory_is_split_and_later_batches_stay_smaller(make_front):
    front = make_front(capacity=4)
    replies = front.run(*[front.speak((1, 2.0)) for _ in range(8)])
    reports = [reply for reply in replies if isinstance(reply, messages.OutOfMemory)]
    assert reports[-1] == messages.OutOfMemory("punc", 8.0)
    assert sum(isinstance(reply, messages.Recognized) for reply in replies) == 8
    again = front.run(*[front.speak((1, 2.0)) for _ in range(8)])
    assert [batch.size for batch in batches(again)] == [4, 4]
    assert not any(isinstance(reply, messages.OutOfMemory) for reply in again)


def test_a_new_configuration_tries_large_batches_again(make_front):
    front = make_front(capacity=4)
    front.run(*[front.speak((1, 2.0)) for _ in range(8)])
    front.models.capacity = 100
    limits = messages.BatchLimits(batch_size=8, batch_audio_s=60.0, max_wait_ms=0.0)
    replies = front.run(messages.Configure(limits), *[front.speak((1, 2.0)) for _ in range(8)])
    assert [batch.size for batch in batches(replies)] == [8]


def test_an_utterance_too_large_for_the_memory_fails_alone(front):
    huge, small = front.speak((HUGE, 2.0)), front.speak((1, 2.0))
    answers = front.answers(huge, small)
    assert "not enough memory" in answers[huge.item_id].reason
    assert answers[small.item_id].text == "t1."


def test_a_lost_device_ends_the_engine(make_front):
    front = make_front(lost_at=2)
    with pytest.raises(SystemError, match="the device is gone"):
        front.run(front.speak((1, 2.0)))


def test_a_free_engine_waits_for_company(front):
    first = front.speak((1, 2.0))
    turn = front.loop.turn([first])
    assert (turn.replies, turn.wait_s) == ([], pytest.approx(0.005))
    front.clock.now += 0.004
    second = front.speak((2, 2.0))
    assert front.loop.turn([second]).wait_s == pytest.approx(0.001)
    front.clock.now += 0.001
    (report, *_) = front.loop.turn([]).replies
    assert report.size == 2


def test_what_came_while_a_batch_ran_does_not_wait(front):
    front.clock.now += 0.005
    first, second = front.speak((1, 2.0)), front.speak((2, 2.0))
    front.clock.now += 0.005
    front.loop.turn([first])
    assert front.models.batches == [("vad", 1)]
    assert [front.loop.turn([]).wait_s for _ in range(2)] == [0.0, 0.0]
    assert front.loop.turn([second]).wait_s == 0.0


def test_an_engine_with_nothing_to_do_waits_for_ever(front):
    assert front.loop.turn([]).wait_s is None


@pytest.mark.slow
def test_a_short_utterance_is_answered_long_before_the_hour_that_came_first(make_front):
    front = make_front(start_s=0.1)
    hour = front.speak(*[(1, 5.0)] * 700)
    replies = front.loop.turn([hour]).replies
    front.clock.now += 0.2
    while not batches(replies, "asr"):
        replies += front.loop.turn([]).replies
    short = front.speak((2, 5.0))
    order = list(front.answers(short))
    assert order == [short.item_id, hour.item_id]
    before = front.models.batches.index(("punc", 1))
    assert before < 15


PARTS = st.lists(st.tuples(st.sampled_from([0, 1, 2, POISON]), st.floats(0.1, 2.0)), max_size=3)
CLASSES = st.sampled_from(["final", "partial", "file"])
ARRIVALS = st.lists(st.tuples(PARTS, CLASSES, st.booleans(), st.integers(0, 3)), max_size=12)


@settings(suppress_health_check=list(HealthCheck))  # examples share the fixtures
@given(arrivals=ARRIVALS, batch_size=st.integers(1, 5))
def test_everything_that_is_not_cancelled_is_answered_once(make_front, arrivals, batch_size):
    front = make_front(batch_size=batch_size, seconds=100)
    replies, cancelled, everything = [], set(), set()
    for parts, item_class, is_cancelled, turns in arrivals:
        request = front.speak(*parts, item_class=item_class)
        everything.add(request.item_id)
        replies += front.loop.turn([request]).replies
        for _ in range(turns):
            replies += front.loop.turn([]).replies
        if is_cancelled:
            cancelled.add(request.item_id)
            replies += front.loop.turn([messages.Cancel(request.item_id)]).replies
    replies += front.run()
    kinds = messages.Recognized | messages.Failed
    answered = [reply.item_id for reply in replies if isinstance(reply, kinds)]
    assert len(set(answered)) == len(answered)
    assert everything - cancelled <= set(answered) <= everything
