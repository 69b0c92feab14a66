"""What each stock client says, and what it needs to hear so that it neither hangs nor crashes.

Written from the clients under FunASR's runtime/ (v1.4.3); each need is what its code reads.
"""

import io
import json
import wave

import pytest

from asr_server.speech.effects import Reply, SessionLimits, Submit, Transcript
from asr_server.speech.session import Session

PCM = b"\x01\x00" * 16000
LISTED = {"chunk_size": [5, 10, 5], "chunk_interval": 10}
WORDS = '{"阿里巴巴": 20}'


def as_wav(data):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16000)
        writer.writeframes(data)
    return file.getvalue()


def cut(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def one_input(start, audio, **end):
    return [{"is_speaking": True, **start}, *audio, {"is_speaking": False, **end}]


CLIENTS = {
    "python since 2026-07": one_input(
        {"mode": "offline", "audio_fs": 16000, "wav_name": "demo", "wav_format": "pcm",
         "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 0, "hotwords": "一,二",
         "itn": True, **LISTED},
        cut(PCM, 1920), is_end=True,
    ),
    "python before": one_input(
        {"mode": "offline", "wav_name": "microphone", "hotwords": WORDS, **LISTED}, cut(PCM, 1920)
    ),
    "html5 with a file": one_input(
        {"mode": "offline", "wav_name": "h5", "wav_format": "PCM", "itn": False, "audio_fs": 16000,
         **LISTED},
        cut(as_wav(PCM), 960), mode="offline", wav_name="h5", **LISTED,
    ),
    "java": one_input(
        {"mode": "offline", "wav_name": "a", "wav_format": "pcm", "hotwords": WORDS, "itn": True,
         "chunk_interval": 10, "chunk_size": [5, 10, 5]},
        cut(PCM, 1920),
    ),
    "java http2ws": one_input(
        {"mode": "offline", "wav_name": "a", "wav_format": "wav"}, [as_wav(PCM)]
    ),
    "go": one_input(
        {"mode": "offline", "wav_name": "demo", "hotwords": "", **LISTED}, cut(PCM, 1920)
    ),
    "c# online, a file": one_input(
        {"mode": "office", "wav_name": "a", "wav_format": "wav", "chunk_size": "5,10,5"},
        cut(as_wav(PCM), 1_024_000),
    ),
    "c# offline": one_input(
        {"mode": "offline", "wav_name": "a", "wav_format": "pcm", "hotwords": WORDS},
        cut(PCM, 102_400),
    ),
    "c++ offline": one_input(
        {"mode": "offline", "wav_name": "a", "wav_format": "pcm", "audio_fs": 16000, "itn": True,
         "hotwords": WORDS, "svs_lang": "auto", "svs_itn": True},
        cut(PCM, 204_800),
    ),
    "funasr-client of PyPI": one_input(
        {"mode": "offline", "chunk_size": [5, 10, 5], "wav_name": "a", "audio_fs": 16000},
        cut(PCM, 1920),
    ),
    "c++ with is_finished": [{"mode": "offline"}, PCM, {"is_finished": True}],
}  # fmt: skip


def converse(conversation):
    session, replies = Session(SessionLimits(60.0, 60.0, 10)), []
    for part in conversation:
        effects = (
            session.receive_audio(part)
            if isinstance(part, bytes)
            else session.receive_text(json.dumps(part), 0.0)
        )
        for effect in effects:
            if isinstance(effect, Submit):
                assert len(effect.samples) == 16000
                effects = [*effects, *session.resolve(effect.number, Transcript("你好。"))]
        replies += [json.loads(e.message) for e in effects if isinstance(e, Reply)]
    return replies


@pytest.mark.parametrize("client", CLIENTS)
def test_every_stock_client_gets_what_its_code_reads(client):
    final, *rest = converse(CLIENTS[client])
    assert final["text"] == "你好。"
    assert final["mode"] == "offline"  # go, python before: the sign that it is done
    assert final["is_final"] is True  # html5, java, funasr-client: the sign that it is done
    assert isinstance(final["wav_name"], str)
    assert isinstance(final.get("timestamp", ""), str)  # go, c#, html5 break on anything else
    assert "stamp_sents" not in final or isinstance(final["stamp_sents"], list)
    if client == "python since 2026-07":
        assert [(ack["is_end"], ack["is_final"]) for ack in rest] == [(True, True)]
    else:
        assert rest == []  # python before: a message without a text would raise


def test_the_c_plus_plus_client_sends_file_after_file_over_one_connection():
    conversation = CLIENTS["c++ offline"] + one_input({"wav_name": "b"}, cut(PCM, 204_800))
    assert [reply["wav_name"] for reply in converse(conversation)] == ["a", "b"]


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_a_client_that_wants_streaming_is_told_at_once_and_still_gets_a_last_message(mode):
    replies = converse(one_input({"mode": mode, **LISTED}, cut(PCM, 1920), is_end=True))
    assert [reply["is_final"] for reply in replies] == [False, True, False]
    assert all("only offline is served" in reply["error"] for reply in replies)
