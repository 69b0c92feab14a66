"""The rules on top of speech/session.py, one by one, and as properties of any conversation."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech.effects import (
    Failure,
    SessionLimits,
)
from tests.unit.asr_server.speech.client import ACK, END, SECOND, Client


def test_one_input_gets_one_final_with_the_text_and_its_name():
    client = Client().send({"wav_name": "a"}, SECOND, END, now=7.0).resolve(1)
    expected = {"mode": "offline", "text": "text 1", "wav_name": "a", "is_final": True}
    assert client.replies == [expected]
    assert client.answered[0].ended_at == 7.0
    assert (client.answered[0].outcome, client.answered[0].audio_s) == ("ok", 1.0)


def test_audio_before_any_text_message_is_taken_as_16_khz_pcm():
    client = Client().send(SECOND, END)
    assert len(client.submits[0].samples) == 16000


def test_is_finished_ends_an_input_too():
    assert Client().send(SECOND, {"is_finished": True}).submits


def test_the_final_waits_for_the_engine():
    client = Client().send(SECOND, END)
    assert (client.replies, client.session.pending) == ([], 1)
    assert client.resolve(1).session.pending == 0


def test_many_inputs_share_a_connection_and_nothing_leaks_between_them():
    client = Client().send({"wav_name": "a"}, SECOND, b"\x01", END, {"wav_name": "b"}, SECOND, END)
    assert [len(submit.samples) for submit in client.submits] == [16000, 16000]
    client.resolve(1).resolve(2)
    assert [reply["wav_name"] for reply in client.replies] == ["a", "b"]


def test_finals_leave_in_input_order_when_the_engine_answers_out_of_order():
    client = Client().send(SECOND, END, SECOND, END, END, SECOND, END)
    assert client.resolve(3).resolve(2).replies == []
    assert client.resolve(1).texts == ["text 1", "text 2", "", "text 3"]


def test_an_acknowledgement_comes_only_when_asked_and_after_the_final():
    client = Client().send(SECOND, END, SECOND, ACK).resolve(1).resolve(2)
    assert ["is_end" in reply for reply in client.replies] == [False, False, True]
    assert client.replies[2] == {
        "mode": "offline", "text": "", "wav_name": "wav-default-id", "is_final": True,
        "is_end": True, "received_ms": 1000, "processed_ms": 1000,
    }  # fmt: skip


def test_an_acknowledgement_of_a_failed_input_is_not_final_and_says_why():
    client = Client().send(SECOND, ACK).resolve(1, Failure("poison"))
    final, done = client.replies
    assert (final["is_final"], final["text"], final["error"]) == (True, "", "poison")
    assert (done["is_final"], done["error"]) == (False, "poison")
    assert (done["received_ms"], done["processed_ms"]) == (1000, 0)
    assert client.answered[0].outcome == "failed"


@pytest.mark.parametrize(
    "parts", [[END], [{}, END], [b"", END], [{}, b"", b"", END], [b"\x01", END]]
)
def test_an_empty_input_gets_an_empty_final_at_once(parts):
    client = Client().send(*parts)
    assert (client.texts, client.submits) == ([""], [])


@pytest.mark.parametrize(
    ("parts", "dropped"),
    [
        (
            [SECOND * 8, END, SECOND * 8, SECOND, SECOND, END],
            [(8.0, True), (1.0, False), (1.0, False)],
        ),
        ([SECOND * 11, SECOND, END], []),
        ([{"mode": "3pass"}, SECOND, SECOND, END], []),
    ],
    ids=["no room", "too long", "unknown mode"],
)
def test_what_is_dropped_for_lack_of_room_alone_is_told_in_seconds(parts, dropped):
    client = Client().send(*parts)
    assert [(found.audio_s, found.begins) for found in client.dropped] == dropped


def test_hotwords_persist_until_changed():
    client = Client().send({"hotwords": "a b"}, SECOND, END, {}, SECOND, END)
    client.send({"hotwords": ""}, SECOND, END)
    words = [list(submit.hints.hotwords) for submit in client.submits]
    assert words == [["a", "b"], ["a", "b"], []]


def test_the_sample_rate_persists_and_is_honoured():
    client = Client().send({"audio_fs": 8000}, SECOND, END, SECOND, END)
    assert [len(submit.samples) for submit in client.submits] == [32000, 32000]


@pytest.mark.parametrize(
    ("start", "audio", "reason"),
    [
        ({"mode": "3pass"}, SECOND, "offline, online and 2pass are served"),
        ({"mode": "2pass", "wav_format": "mp3"}, SECOND, "ONLY SUPPORT PCM"),
        ({"wav_format": "mp3"}, b"ID3", "16-bit pcm and wav are accepted; for other formats"),
        ({"wav_format": "others"}, b"OggS", "16-bit pcm and wav are accepted"),
        ({"audio_fs": "x"}, SECOND, "audio_fs: must be"),
        ({}, SECOND * 11, "may last 10 s"),
    ],
)
def test_what_is_not_served_is_refused_at_once_and_the_connection_lives(start, audio, reason):
    client = Client().send(start, audio, audio)
    assert [reply["is_final"] for reply in client.replies] == [False]
    assert reason in client.replies[0]["error"]
    client.send(END)
    assert reason in client.replies[1]["error"]
    assert client.answered[0].outcome == "refused"
    client.send({"mode": "offline", "wav_format": "pcm", "audio_fs": 16000}, SECOND, END)
    assert client.resolve(1).texts[1:] == ["text 1"]


def test_a_file_that_was_decoded_elsewhere_is_taken_as_16_khz_whatever_was_said():
    client = Client().send({"wav_format": "mp3", "audio_fs": 8000})
    assert client.session.takes_file
    client.take(client.session.receive_audio(SECOND, decoded=True))
    client.take(client.session.receive_audio(b"ID3", decoded=True))
    assert [len(submit.samples) for submit in client.send(END).submits] == [16001]


def test_the_session_tells_whether_it_takes_a_file_and_whether_it_refuses():
    client = Client()
    assert not client.session.takes_file
    assert client.send({"wav_format": "OTHERS"}).session.takes_file
    assert not client.session.refused
    assert client.send(b"OggS").session.refused
    assert not client.send(END, {"wav_format": "mp3", "mode": "3pass"}).session.takes_file


def test_a_refused_input_holds_no_audio():
    client = Client().send(SECOND * 5)
    assert client.session.held_samples == 80000
    client.send({"mode": "3pass"}, SECOND * 5)
    assert client.session.held_samples == 0


def test_unserved_options_refuse_every_input_until_they_change():
    client = Client().send({"mode": "3pass"}, END, SECOND, END)
    assert ["error" in reply for reply in client.replies] == [True] * 4
    assert client.texts == ["", ""]


def test_a_broken_wav_header_is_refused_when_the_input_ends():
    client = Client().send(b"RIFF\x00\x00\x00\x00WAVEfmt ", END)
    assert "WAV header" in client.replies[0]["error"]
    assert client.texts == [""]


@pytest.mark.parametrize("bad", ["", "{", "[]", "7", "not json"])
def test_a_bad_text_message_gets_an_error_and_changes_nothing(bad):
    client = Client().send({"wav_name": "a"}, SECOND, bad, SECOND, END)
    assert [reply["is_final"] for reply in client.replies] == [False]
    assert client.replies[0]["wav_name"] == "a"
    assert len(client.submits[0].samples) == 32000


def test_an_error_waits_for_the_finals_before_it():
    client = Client().send(SECOND, END, "bad")
    assert client.replies == []
    client.resolve(1)
    assert [reply["is_final"] for reply in client.replies] == [True, False]


def test_unanswered_audio_is_bounded_per_session():
    client = Client().send(SECOND * 9, END, SECOND * 7, END)
    assert len(client.submits) == 1
    client.resolve(1)
    assert "15 s of unanswered audio" in client.replies[1]["error"]
    assert client.send(SECOND * 9, END).resolve(2).texts == ["text 1", "", "text 2"]


def test_a_client_that_piles_up_replies_is_disconnected():
    client = Client().send(SECOND, END, *["bad"] * 7)
    assert client.disconnects == []
    assert client.send("bad").disconnects == ["more than 8 replies are waiting"]


def test_the_server_can_end_an_input_itself():
    client = Client().send(SECOND)
    client.take(client.session.end_input(5.0))
    assert client.resolve(1).texts == ["text 1"]


@pytest.mark.parametrize(
    ("parts", "in_input", "has_audio"),
    [
        ([], False, False),
        ([{}], True, False),
        ([b""], True, True),
        ([{}, SECOND], True, True),
        ([{}, SECOND, END], False, False),
        (["bad"], False, False),
    ],
)
def test_the_session_tells_whether_an_input_is_open(parts, in_input, has_audio):
    session = Client().send(*parts).session
    assert (session.in_input, session.has_audio) == (in_input, has_audio)


ENDS = [END, ACK, {"is_finished": True, "is_end": True}]
STEP = st.one_of(
    st.integers(0, 3000).map(lambda count: b"\x01" * count),
    st.sampled_from(["bad", {}, {"mode": "3pass"}, {"mode": "offline"}, {"audio_fs": 16000}]),
    st.sampled_from(ENDS),
    st.integers(0, 9),  # the engine answers the n-th utterance
)


@given(st.lists(STEP, max_size=40))
def test_every_end_gets_one_final_and_all_audio_is_accounted_for(steps):
    client = Client(SessionLimits(1000.0, 1000.0, 1000))
    ends, asked = 0, 0
    for step in steps:
        if isinstance(step, int):
            for submit in client.submits[step : step + 1]:
                with contextlib.suppress(KeyError):  # answered before
                    client.resolve(submit.number)
            continue
        client.send(step)
        if step in ENDS:
            ends, asked = ends + 1, asked + bool(step.get("is_end"))
    for submit in client.submits:
        with contextlib.suppress(KeyError):
            client.resolve(submit.number)
    finals = [reply for reply in client.replies if reply["is_final"] and "is_end" not in reply]
    acks = [reply for reply in client.replies if "is_end" in reply]
    assert (len(finals), len(client.answered), len(acks)) == (ends, ends, asked)
    assert all(ack["received_ms"] == ack["processed_ms"] or "error" in ack for ack in acks)
    submitted = sum(len(submit.samples) for submit in client.submits)
    assert submitted == round(sum(found.audio_s for found in client.answered) * 16000)
    assert client.session.pending == 0
