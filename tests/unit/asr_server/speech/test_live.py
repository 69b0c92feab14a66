"""Live inputs: the rules on top of speech/live.py, and the session around them."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import messages
from asr_server.speech.effects import (
    Failure,
    FinalText,
    Hush,
    Listen,
    PartialText,
    SessionLimits,
    SettledTo,
    StreamDone,
    Submit,
    Transcript,
)
from asr_server.speech.hints import Hints
from tests.unit.asr_server.speech.client import ACK, END, SECOND, Client

START = {"mode": "2pass", "wav_name": "a"}
ONLINE = {"mode": "online", "wav_name": "a"}


def final(utterance, start, end, text):
    return FinalText(utterance, start, end, text, start / 16000, end / 16000)


def test_audio_goes_to_the_engine_as_it_comes():
    client = Client().send(START | {"chunk_size": "8,8,4"}, SECOND, SECOND, END)
    listen, first, second, hush = client.asked
    assert listen == Listen(1, "2pass", (8, 8, 4))
    assert (len(first.samples), len(second.samples), hush) == (16000, 16000, Hush(1))
    assert client.replies == []


def test_what_was_said_before_the_first_audio_is_told_to_the_engine():
    said = {"hotwords": "打开 灯", "svs_lang": "yue", "itn": False}
    client = Client().send(START | said, SECOND, {"hotwords": ""}, SECOND, END)
    assert client.asked[0].hints == Hints("yue", itn=False, hotwords=("打开", "灯"))


def test_a_2pass_utterance_has_partials_and_then_its_final():
    client = Client().send(START, SECOND)
    client.hear(PartialText(0, "你"), PartialText(0, "好"), final(0, 0, 9600, "你好。"))
    assert client.said == [
        ("2pass-online", "你", False),
        ("2pass-online", "好", False),
        ("2pass-offline", "你好。", False),
    ]
    assert (client.replies[2]["start_time"], client.replies[2]["end_time"]) == (0, 600)


def test_an_online_utterance_only_adds():
    client = Client().send(ONLINE, SECOND, END)
    client.hear(PartialText(0, "你"), final(0, 0, 9600, "好"), StreamDone())
    assert client.said == [("online", "你", False), ("online", "好", True)]


def test_the_last_message_alone_is_final_and_has_the_last_text_if_it_came_after_the_end():
    client = Client().send(START, SECOND * 3, END)
    client.hear(final(0, 0, 16000, "一。"), final(1, 20000, 40000, "二。"))
    assert client.said == [("2pass-offline", "一。", False)]
    client.hear(StreamDone())
    assert client.said[1:] == [("2pass-offline", "二。", True)]


def test_a_final_that_waits_for_more_goes_before_the_partials_of_the_next_utterance():
    client = Client().send(ONLINE, SECOND * 3, END)
    client.hear(PartialText(0, "一"), final(0, 0, 16000, "二"), PartialText(1, "三"))
    client.hear(final(1, 20000, 40000, "四"), StreamDone())
    assert "".join(reply["text"] for reply in client.replies) == "一二三四"
    assert [reply["is_final"] for reply in client.replies] == [False, False, False, True]


@pytest.mark.parametrize(("start", "label"), [(START, "2pass-offline"), (ONLINE, "online")])
def test_the_last_message_comes_without_text_where_nothing_is_left_to_say(start, label):
    client = Client().send(start, SECOND).hear(final(0, 0, 9600, "一"), SettledTo(16000))
    client.send(END).hear(StreamDone())
    assert client.said == [(label, "一", False), (label, "", True)]
    assert [found.outcome for found in client.answered] == ["ok"]


@pytest.mark.parametrize("parts", [[END], [b"", END], [b"\x01", END]])
def test_an_input_without_a_sample_is_answered_at_once(parts):
    client = Client().send(START, *parts)
    assert (client.said, client.asked) == ([("2pass-offline", "", True)], [])
    assert client.answered[0].outcome == "empty"


def test_silence_has_one_message_and_is_settled_to_the_end():
    client = Client().send(START, SECOND, ACK).hear(SettledTo(8000), StreamDone())
    assert client.said == [("2pass-offline", "", True), ("2pass-offline", "", True)]
    done = client.replies[1]
    assert (done["is_end"], done["received_ms"], done["processed_ms"]) == (True, 1000, 1000)
    assert [found.outcome for found in client.answered] == ["empty"]


@pytest.mark.parametrize(
    ("start", "label", "outcome"), [(START, "2pass-offline", "empty"), (ONLINE, "online", "ok")]
)
def test_no_empty_final_comes_in_between_but_after_partials(start, label, outcome):
    client = Client().send(start, SECOND * 3).hear(final(0, 0, 8000, ""))
    assert client.said == []
    client.hear(PartialText(1, "一"), final(1, 8000, 16000, ""))
    assert client.said[1:] == [(label, "", False)]
    assert client.answered[0].outcome == outcome


def test_latency_counts_from_the_end_of_speech_and_partials_from_its_start():
    client = Client().send(START, SECOND * 3)
    client.hear(PartialText(0, "一"), now=1.5).hear(PartialText(0, "二"), now=2.0)
    client.hear(FinalText(0, 8000, 24000, "一二", began_at=0.5, ended_at=1.75), now=2.6)
    found = client.answered[0]
    assert (found.mode, found.outcome) == ("2pass", "ok")
    assert (found.ended_at, found.audio_s, found.first_partial_s) == (1.75, 1.0, 1.0)


def test_what_is_settled_is_held_no_longer_and_silence_is_known():
    client = Client().send(START, SECOND * 4)
    assert client.session.held_samples == 64000
    client.hear(final(0, 0, 16000, "一"))
    assert client.session.held_samples == 48000
    client.hear(SettledTo(48000))
    assert (client.session.held_samples, client.session.live.silence_s) == (16000, 2.0)
    client.send(END).hear(StreamDone())
    assert (client.session.held_samples, client.session.pending) == (0, 0)


def test_hours_of_audio_are_no_reason_to_refuse_what_is_answered():
    client = Client().send(START)
    for second in range(100):
        client.send(SECOND).hear(SettledTo(16000 * second))
    client.send(END).hear(StreamDone())
    assert client.said == [("2pass-offline", "", True)]


def test_too_much_unanswered_audio_is_refused_and_what_was_accepted_is_answered():
    client = Client().send(START, SECOND * 10, SECOND * 6, SECOND, SECOND, ACK)
    assert "15 s of unanswered audio" in client.replies[0]["error"]
    assert [found.audio_s for found in client.dropped] == [1.0, 1.0]
    assert client.heard == {1: 256000}
    assert [e for e in client.asked if isinstance(e, Hush)] == [Hush(1)]
    client.hear(final(0, 0, 256000, "一"), StreamDone())
    assert client.said[1:] == [("2pass-offline", "一", True), ("2pass-offline", "", False)]
    assert (client.replies[2]["received_ms"], client.replies[2]["processed_ms"]) == (16000, 16000)
    assert "15 s of unanswered audio" in client.replies[1]["error"]
    client.send({"mode": "offline"}, SECOND, END)
    assert isinstance(client.asked[-1], Submit)


def test_samples_without_room_count_as_not_received():
    client = Client().send(START, SECOND, SECOND)
    client.take(client.session.refuse_samples(1, 6000, "no room"))
    client.send(SECOND)
    client.hear(final(0, 0, 16000, "一"), SettledTo(26000), StreamDone()).send(ACK)
    assert ("2pass-offline", "一", False) in client.said
    assert (client.replies[-1]["received_ms"], client.replies[-1]["error"]) == (1625, "no room")
    assert client.session.held_samples == 0


def test_a_stream_that_fails_is_told_at_once_and_the_last_message_repeats_it():
    client = Client().send(START, SECOND).hear(final(0, 0, 8000, "一"), Failure("poison"))
    assert client.replies[1]["error"] == "poison"
    assert not client.replies[1]["is_final"]
    client.send(SECOND, ACK)
    assert [reply.get("error") for reply in client.replies] == [None] + ["poison"] * 3
    assert (client.replies[3]["received_ms"], client.replies[3]["processed_ms"]) == (1000, 500)
    assert [reply["is_final"] for reply in client.replies] == [False, False, True, False]
    assert client.answered[-1].outcome == "failed"
    client.send(START, SECOND)
    assert client.asked[-2:][0] == Listen(2, "2pass", (5, 10, 5))


def test_errors_in_a_live_input_do_not_wait_for_its_end_and_do_not_end_it():
    client = Client().send(START, SECOND, "bad", {"mode": "3pass"}, SECOND)
    assert [(r["is_final"], "error" in r) for r in client.replies] == [(False, True)] * 2
    assert client.heard == {1: 32000}


def test_options_that_come_in_a_live_input_are_of_the_next_one():
    client = Client().send(START, SECOND, {"mode": "offline", "audio_fs": 8000}, SECOND, END)
    client.send(SECOND, END)
    assert client.heard == {1: 32000}
    assert len(client.asked[-1].samples) == 32000
    client.hear(StreamDone())
    client.take(client.session.resolve(2, Transcript("x")))
    assert client.said == [("2pass-offline", "", True), ("offline", "x", True)]


def test_replies_keep_the_order_of_the_inputs():
    client = Client().send(START, SECOND, END, SECOND, END)
    client.hear(PartialText(0, "二"), PartialText(0, "三"), number=2)
    client.hear(final(0, 0, 16000, "二三。"), StreamDone(), number=2)
    assert client.said == []
    client.hear(StreamDone())
    assert client.said == [
        ("2pass-offline", "", True),
        ("2pass-online", "二三", False),
        ("2pass-offline", "二三。", True),
    ]


def test_a_client_that_piles_up_replies_behind_an_open_input_is_disconnected():
    client = Client().send(START, SECOND, END, SECOND)
    for number in range(8):
        client.hear(final(number, 0, 100, "一"), number=2)
    assert client.disconnects == ["more than 8 replies are waiting"]


@pytest.mark.parametrize("rate", [8000, 48000])
def test_other_rates_are_resampled_as_they_come(rate):
    client = Client().send(START | {"audio_fs": rate})
    second = b"\x01\x00" * rate
    for start in range(0, len(second), 1921):
        client.send(second[start : start + 1921])
    client.send(END)
    assert abs(client.heard[1] - 16000) <= 1
    assert client.asked[-1] == Hush(1)


def test_a_wav_header_inside_pcm_is_obeyed_in_live_inputs_too():
    header = (
        b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00"
        b"\x80\x3e\x00\x00\x02\x00\x10\x00data\xff\xff\xff\xff"
    )
    client = Client().send(START, header[:20], header[20:] + SECOND, END)
    assert abs(client.heard[1] - 32000) <= 1


@pytest.mark.parametrize("start", [{"wav_format": "mp3"}, {"wav_format": "others"}])
def test_what_is_no_pcm_is_refused_in_the_words_that_clients_show(start):
    client = Client().send(START | start, b"ID3\x04" * 10, END)
    assert client.replies[0]["error"] == messages.ONLY_PCM
    assert client.said[1] == ("2pass-offline", messages.ONLY_PCM, True)


ENDS = [END, ACK]
STEP = st.one_of(
    st.integers(0, 3000).map(lambda count: b"\x01" * count),
    st.sampled_from(["bad", {}, {"mode": "2pass"}, {"mode": "online"}, {"mode": "offline"}]),
    st.sampled_from(ENDS),
    st.tuples(st.integers(0, 9), st.sampled_from(["partial", "final", "settle", "fail"])),
)


class Scribe:
    """An engine that answers inputs as it is told, and never says what no engine may say."""

    def __init__(self, client):
        self.client = client
        self.settled, self.utterance, self.over, self.spans = {}, {}, set(), {}

    def act(self, place, what):
        begun = sorted(self.client.heard)
        if not begun:
            return
        number = begun[place % len(begun)]
        if number in self.over:
            return
        at, received = self.settled.get(number, 0), self.client.heard[number]
        utterance = self.utterance.get(number, 0)
        match what:
            case "partial":
                self.client.hear(PartialText(utterance, f"p{number}.{utterance}q"), number=number)
            case "final" if received > at:
                end = (at + received + 1) // 2
                self.client.hear(
                    final(utterance, at, end, f"<{number}.{utterance}>"), number=number
                )
                self.settled[number], self.utterance[number] = end, utterance + 1
            case "settle":
                self.settled[number] = received
                self.client.hear(SettledTo(received), number=number)
            case "fail":
                self.over.add(number)
                self.client.hear(Failure("poison"), number=number)

    def finish(self):
        for number in sorted(self.client.heard):
            if number not in self.over:
                self.client.hear(StreamDone(), number=number)
        for submit in [e for e in self.client.asked if isinstance(e, Submit)]:
            with contextlib.suppress(KeyError):
                self.client.take(self.client.session.resolve(submit.number, Transcript("x")))


@given(st.lists(STEP, max_size=40))
def test_whatever_comes_in_whatever_order_each_end_has_one_last_message(steps):
    client = Client(SessionLimits(1000.0, 1000.0, 1000))
    scribe = Scribe(client)
    ends, asked = 0, 0
    for step in [*steps, ACK]:
        if isinstance(step, tuple):
            scribe.act(*step)
            continue
        client.send(step)
        if step in ENDS:
            ends, asked = ends + 1, asked + bool(step.get("is_end"))
    scribe.finish()
    last = [reply for reply in client.replies if reply["is_final"] and "is_end" not in reply]
    acks = [reply for reply in client.replies if "is_end" in reply]
    assert (len(last), len(acks)) == (ends, asked)
    assert all(ack["received_ms"] == ack["processed_ms"] or "error" in ack for ack in acks)
    assert (client.session.pending, client.session.held_samples) == (0, 0)
    said = "".join(reply["text"] for reply in client.replies)
    order = [tuple(map(int, found)) for found in re.findall(r"[<p](\d+)\.(\d+)[>q]", said)]
    assert order == sorted(order)
    assert said.count("<") == sum(scribe.utterance.values())
    hushed = [e.number for e in client.asked if isinstance(e, Hush)]
    assert len(set(hushed)) == len(hushed)
    assert {*hushed, *scribe.over} == set(client.heard)
