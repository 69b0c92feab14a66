import gc
import itertools
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_server.link import messages
from asr_server.speech.pieces import Endpoints
from tests.unit.asr_server.engine import streaming_models
from tests.unit.asr_server.engine.callers import sound
from tests.unit.asr_server.engine.streaming_models import StreamingVad, frames_of

POISON = 666


def talk(front, *parts, cuts=(), **options):
    """Let a caller say parts, cut at these samples; return the caller after the end."""
    caller = front.call(**options)
    front.run(caller.opening)
    audio = sound(*parts)
    for start, end in itertools.pairwise([0, *cuts, len(audio)]):
        front.run(caller.feed(audio[start:end]))
    front.run(caller.end)
    return caller


def spans(caller):
    """Return the finals' text, start and end in milliseconds."""
    return [(final.text, final.start / 16, final.end / 16) for final in caller.finals]


def stages(replies):
    ran = [reply for reply in replies if isinstance(reply, messages.BatchRan)]
    return [(batch.stage, batch.size) for batch in ran]


def every(milliseconds, seconds):
    """Return where frames of so many milliseconds end."""
    step = 16 * milliseconds
    return range(step, round(seconds * 16_000), step)


@pytest.mark.parametrize("cuts", [(), every(60, 3.0), every(10, 3.0)], ids=["one", "60", "10"])
def test_2pass_adds_partials_and_then_recognises_the_utterance_as_a_whole(front, cuts):
    caller = talk(front, (0, 0.5), (7, 1.5), (0, 1.0), cuts=cuts)
    assert spans(caller) == [("t7.", 500, 2050)]
    assert caller.finals[0].tokens == ("t7",)
    assert caller.finals[0].stamps == ((510, 2050),)
    assert caller.outcome == "ended"


def test_an_utterance_is_recognised_from_the_bank_that_its_stream_has(front):
    caller = talk(front, (0, 0.5), (7, 1.5), (0, 1.0), cuts=every(60, 3.0))
    assert spans(caller) == [("t7.", 500, 2050)]
    assert front.models.frames_used == 155


def test_who_pauses_keeps_no_bank_of_what_is_answered(front, monkeypatch):
    made = []

    def remember(audio):
        bank = frames_of(audio)
        made.append(weakref.ref(bank))
        return bank

    monkeypatch.setattr(streaming_models, "frames_of", remember)
    caller, audio = front.call(), sound((7, 2.5), (0, 0.2))
    front.run(caller.opening)
    for start in range(0, len(audio), 960):
        front.run(caller.feed(audio[start : start + 960]))
    assert len(caller.finals) == 1
    assert sum(len(bank()) for bank in made if bank() is not None) <= 25


@pytest.mark.parametrize("how", ["ends", "fails", "is cancelled"])
def test_a_stream_that_is_over_lets_go_of_what_models_remember(front, monkeypatch, how):
    """At once, without the garbage collector: it is memory of the device."""
    made = []

    def remember(state, *said):
        made.append(weakref.ref(state.rest))
        return Endpoints(state, *said)

    monkeypatch.setattr(streaming_models, "Endpoints", remember)
    gc.disable()
    try:
        caller = front.call()
        front.run(caller.opening, caller.say((7, 1.0)))
        assert any(rest() is not None for rest in made)
        ways = {
            "ends": lambda: caller.end,
            "fails": lambda: messages.Feed(caller.stream_id, -1, 5, 0.0),
            "is cancelled": lambda: messages.CancelStream(caller.stream_id),
        }
        front.run(ways[how]())
        assert all(rest() is None for rest in made)
    finally:
        gc.enable()


def test_partials_follow_speech_in_steps(front):
    caller = talk(front, (7, 1.5), (0, 1.0), cuts=every(60, 2.5))
    assert caller.partials == {0: "s0 d67200 s1 d67200"}


def test_online_the_last_step_is_the_final(front):
    caller = talk(front, (7, 1.5), (0, 1.0), cuts=every(60, 2.5), mode="online")
    assert caller.partials == {0: "s0 d67200 s1 d67200"}
    assert spans(caller) == [(" s2 d33600", 0, 1550)]
    assert caller.finals[0].tokens == ("s2", "d33600")
    assert caller.finals[0].stamps == ()
    assert caller.outcome == "ended"


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_without_a_streaming_recogniser_there_are_finals_only(make_front, mode):
    front = make_front(has_online=False)
    caller = talk(front, (7, 1.5), (0, 1.0), cuts=every(60, 2.5), mode=mode)
    assert spans(caller) == [("t7" + "." * (mode == "2pass"), 0, 1550)]
    assert caller.partials == {}
    assert caller.outcome == "ended"


def test_without_punctuation_tokens_are_joined(make_front):
    caller = talk(make_front(has_punctuation=False), (7, 1.5), (0, 1.0))
    assert spans(caller) == [("t7", 0, 1550)]


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_several_utterances_may_end_in_one_feed(front, mode):
    parts = [(value, seconds) for value in (1, 2, 3) for seconds in (0.5, 0.3)]
    parts = [(value if index % 2 == 0 else 0, s) for index, (value, s) in enumerate(parts)]
    caller = talk(front, *parts, (4, 0.2), mode=mode)
    assert [span[1:] for span in spans(caller)] == [
        (0, 550), (800, 1350), (1600, 2150), (2400, 2600),
    ]  # fmt: skip
    assert caller.outcome == "ended"


@pytest.mark.parametrize("cuts", [(), every(60, 3.0)], ids=["one", "60"])
@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_a_final_says_up_to_where_its_end_was_told(front, mode, cuts):
    caller = talk(front, (7, 1.5), (0, 1.0), (8, 0.4), cuts=cuts, mode=mode)
    waited_ms = StreamingVad.hindsight_ms
    assert [(final.end / 16, final.decided / 16) for final in caller.finals] == [
        (1550, 1550 + waited_ms), (2900, 2900),
    ]  # fmt: skip


def test_an_utterance_ends_with_the_stream(front):
    assert spans(talk(front, (0, 0.5), (7, 1.0))) == [("t7.", 500, 1500)]


@pytest.mark.parametrize("samples", [1, 159, 160, 161])
def test_a_short_tail_after_an_utterance_is_settled(front, samples):
    caller = talk(front, (7, 1.0), (0, 0.2), (0, samples / 16_000), cuts=[19_200])
    assert spans(caller) == [("t7.", 0, 1050)]
    assert caller.settled == 19_200 + samples


def test_a_stream_without_audio_ends(front):
    caller = front.call()
    front.run(caller.opening, caller.feed(sound()), caller.end)
    assert caller.order == ["StreamEnded"]


def test_silence_is_settled_once_a_second_and_recognised_by_nobody(front):
    caller = front.call()
    front.run(caller.opening)
    replies = [reply for _ in range(100) for reply in front.run(caller.say((0, 0.06)))]
    assert {stage for stage, _ in stages(replies)} == {"vad"}
    assert caller.order == ["Settled"] * 5
    assert caller.settled == 16_320 * 5


def test_an_utterance_is_settled_when_it_is_answered(front):
    caller = front.call()
    front.run(caller.opening, caller.say((0, 0.3), (7, 1.0)))
    front.run(caller.say((0, 0.25)))
    assert caller.order == ["Partial", "Final", "Settled"]
    assert caller.settled == round(1.55 * 16_000)


def test_a_stream_that_is_opened_again_counts_on(front):
    caller = talk(front, (0, 0.5), (7, 1.0), (0, 0.5), start=16_000, first=3)
    assert spans(caller) == [("t7.", 1500, 2550)]
    assert caller.finals[0].utterance == 3
    assert caller.outcome == "ended"


def test_streams_share_the_batches_of_every_stage(front):
    front.clock.now += 1.0
    callers = [front.call() for _ in range(6)]
    sent = [message for c in callers for message in (c.opening, c.say((7, 1.0), (0, 0.2)), c.end)]
    assert stages(front.run(*sent)) == [("vad", 6), ("asr", 6), ("punc", 6)]


def test_open_utterances_share_steps_whatever_their_chunks(front):
    callers = [front.call(chunk_size=(0, chunk, 5)) for chunk in (8, 10, 10)]
    sent = [message for caller in callers for message in (caller.opening, caller.say((7, 0.7)))]
    assert stages(front.run(*sent)) == [("vad", 3), ("asr_online", 3)]


def test_more_pieces_than_the_batch_size_share_a_batch(make_front):
    front = make_front(batch_size=2)
    callers = [front.call() for _ in range(50)]
    sent = [message for caller in callers for message in (caller.opening, caller.say((0, 0.06)))]
    assert stages(front.run(*sent)) == [("vad", 50)]


def test_feeds_that_wait_are_heard_as_one_piece(front):
    caller = front.call()
    front.turn(caller.opening)
    replies = front.run(*[caller.say((0, 0.06)) for _ in range(3000)])
    assert stages(replies) == [("vad", 1)] * 3
    assert caller.settled == 3000 * 960


def test_steps_that_wait_are_taken_one_after_another(front):
    caller = front.call()
    replies = front.run(caller.opening, caller.say((7, 2.45)))
    assert stages(replies) == [("vad", 1)] + [("asr_online", 1)] * 4
    assert caller.partials == {0: " ".join(f"s{step} d67200" for step in range(4))}


def test_the_end_silence_is_not_recognised(front):
    caller = front.call()
    front.run(caller.opening, caller.say((7, 0.5)))
    assert stages(front.run(caller.say((0, 0.15)))) == [("vad", 1)]
    assert stages(front.run(caller.say((7, 0.01)))) == [("vad", 1), ("asr_online", 1)]


def test_live_pieces_do_not_count_as_waiting_items_but_steps_and_finals_do(front):
    caller = front.call()
    replies = front.run(caller.opening, caller.say((7, 1.0)))
    replies += front.run(caller.say((0, 0.3)), caller.end)
    ran = [reply for reply in replies if isinstance(reply, messages.BatchRan)]
    assert {(batch.stage, batch.classes) for batch in ran} == {
        ("vad", ()), ("asr_online", ("partial",)), ("asr", ("final",)), ("punc", ("final",)),
    }  # fmt: skip


def test_a_free_engine_waits_for_company_once_and_from_when_the_front_received(front):
    caller = front.call()
    front.turn(caller.opening)
    received = caller.say((7, 0.7))
    assert front.turn(received) == ([], pytest.approx(0.005))
    front.clock.now += 0.005
    waits = [front.turn()[1] for _ in range(3)]
    assert waits == [0.0, 0.0, None]


def test_what_waited_in_the_front_waits_no_more(front):
    front.clock.now += 1.0
    caller = front.call()
    received = caller.say((7, 0.1))
    front.clock.now += 0.005
    assert front.turn(caller.opening, received)[1] == 0.0


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_a_poisonous_stream_fails_alone(front, mode):
    callers = [front.call(mode=mode) for _ in range(5)]
    values = (1, 2, POISON, 4, 5)
    front.models.poisoned = {"asr", "asr_online"}
    sent = [
        message
        for caller, value in zip(callers, values, strict=True)
        for message in (caller.opening, caller.say((value, 1.0), (0, 0.3)), caller.end)
    ]
    front.run(*sent)
    poison = "ValueError: poison in the batch"
    assert [caller.outcome for caller in callers] == ["ended"] * 2 + [poison] + ["ended"] * 2


def test_what_does_not_fit_into_memory_is_split(make_front):
    front = make_front(capacity=2)
    callers = [front.call() for _ in range(8)]
    for mode in ("say", "end"):
        sent = [c.opening for c in callers if mode == "say"]
        front.run(*sent, *[c.say((7, 1.0)) if mode == "say" else c.end for c in callers])
    assert [spans(caller) for caller in callers] == [[("t7.", 0, 1000)]] * 8
    assert front.device.released > 0


def test_new_limits_hold_from_the_next_batch_on(front):
    callers = [front.call() for _ in range(6)]
    front.run(*[m for c in callers for m in (c.opening, c.say((7, 0.5)))])
    limits = messages.BatchLimits(batch_size=2, batch_audio_s=60.0, max_wait_ms=0.0)
    replies = front.run(messages.Configure(limits), *[caller.end for caller in callers])
    assert stages(replies) == [("vad", 6)] + [("asr", 2)] * 3 + [("punc", 2)] * 3


def test_a_cancelled_stream_is_not_heard_of_any_more(front):
    kept, dropped = front.call(), front.call()
    audio = [(7, 1.0), (0, 0.3)]
    sent = [m for c in (kept, dropped) for m in (c.opening, c.say(*audio), c.end)]
    front.run(*sent, messages.CancelStream(dropped.stream_id))
    assert (kept.outcome, dropped.order) == ("ended", [])


def test_what_comes_for_an_unknown_stream_changes_nothing(front):
    gone = front.call()
    assert front.run(gone.say((7, 1.0)), gone.end, messages.CancelStream(gone.stream_id)) == []


def test_audio_outside_of_the_arena_fails_the_stream(front):
    for offset, samples in ((len(front.audio), 1), (-1, 1), (0, len(front.audio) + 1), (0, -1)):
        caller = front.call()
        front.run(caller.opening, messages.Feed(caller.stream_id, offset, samples, 0.0), caller.end)
        assert "not in the arena" in caller.outcome


def test_audio_after_the_end_fails_the_stream(front):
    caller = front.call()
    front.turn(caller.opening, caller.end, caller.say((7, 1.0)))
    assert caller.outcome == "audio came after the end of the stream"


def test_a_chunk_size_that_the_model_cannot_have_fails_the_stream(front):
    caller = front.call(chunk_size=(0, 0, 5))
    front.run(caller.opening, caller.say((7, 1.0)), caller.end)
    assert caller.outcome == "no chunk of 0 frames"


def test_a_lost_device_ends_the_engine(make_front):
    front = make_front(lost_at=2)
    with pytest.raises(SystemError, match="the device is gone"):
        talk(front, (7, 1.0), (0, 1.0))


def test_an_idle_stream_keeps_nothing_of_hours_of_silence(front):
    caller = front.call()
    front.run(caller.opening)
    for _ in range(1000):
        front.run(caller.say((0, 0.06)))
    stream = front.loop._streams[caller.stream_id]
    assert len(stream._context.audio._starts) <= 20
    assert not stream._utterances


def test_live_speech_is_answered_while_hours_of_recordings_are_worked_on(make_front):
    front = make_front(start_s=0.005, audio_cost=0.002, seconds=9000)
    files = [front.speak(*[(1, 5.0)] * 700) for _ in range(2)]
    caller = front.call()
    front.turn(*files, caller.opening)
    answered_s = []
    for _ in range(20):
        for part in ((7, 0.6), (0, 0.3)):
            front.turn(caller.say(part))
        asked = front.clock.now
        told = len(caller.finals)
        while len(caller.finals) == told:
            front.turn()
        answered_s.append(front.clock.now - asked)
    assert max(answered_s) < 0.5


def test_a_long_recording_has_the_spans_that_it_has_as_a_whole(make_front):
    front = make_front(seconds=400)
    request = front.speak(*[(value, 2.9) for value in range(1, 51)])
    (answer,) = front.answers(request).values()
    assert [segment.tokens for segment in answer.segments] == [(f"t{n}",) for n in range(1, 51)]
    assert front.models.batches.count(("pieces", 1)) == 3


PARTS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2, 3]), st.integers(1, 30_000).map(lambda n: n / 16_000)),
    max_size=8,
)
SHARED = settings(suppress_health_check=list(HealthCheck))  # fixtures, by all examples


@SHARED
@given(parts=PARTS, data=st.data(), mode=st.sampled_from(["online", "2pass"]))
def test_any_cutting_of_the_audio_gives_the_same_words(make_front, parts, data, mode):
    front = make_front(seconds=60)
    whole = talk(front, *parts, mode=mode)
    samples = len(sound(*parts))
    cuts = data.draw(st.lists(st.integers(0, samples), max_size=12).map(sorted))
    cut = talk(front, *parts, cuts=cuts, mode=mode)
    assert (spans(cut), cut.settled) == (spans(whole), whole.settled)
    if mode == "online":
        assert said(cut) == said(whole)


def said(caller):
    return [caller.partials.get(final.utterance, "") + final.text for final in caller.finals]


@SHARED
@given(data=st.data(), batch_size=st.integers(1, 4), has_online=st.booleans())
def test_every_sample_is_accounted_for_whatever_is_cancelled(
    make_front, data, batch_size, has_online
):
    front = make_front(batch_size=batch_size, has_online=has_online, seconds=100)
    modes = st.sampled_from(["online", "2pass"])
    callers = [front.call(mode=data.draw(modes)) for _ in range(data.draw(st.integers(1, 4)))]
    for caller in callers:
        front.turn(caller.opening)
    cancelled = set()
    for _ in range(data.draw(st.integers(0, 20))):
        caller = data.draw(st.sampled_from(callers))
        if caller.stream_id in cancelled:
            continue
        if data.draw(st.integers(0, 19)) == 0:
            cancelled.add(caller.stream_id)
            front.turn(messages.CancelStream(caller.stream_id))
        else:
            front.turn(caller.say(*data.draw(PARTS)[:2]))
        front.clock.now += data.draw(st.sampled_from([0.0, 0.01, 1.0]))
    front.run(*[caller.end for caller in callers])
    for caller in callers:
        if caller.stream_id in cancelled:
            assert caller.outcome is None
        else:
            assert (caller.outcome, caller.settled) == ("ended", caller.fed)
            lengths = [final.end - final.start for final in caller.finals]
            assert sum(lengths) <= caller.fed
            assert np.all(np.array(lengths) > 0)
