"""What each stock client says, and what it needs to hear so that it neither hangs nor crashes.

Written from the clients under FunASR's runtime/ (v1.4.3); each need is what its code reads.
"""

import io
import json
import wave

import pytest

from asr_server.speech import messages
from asr_server.speech.effects import (
    FinalText,
    Hear,
    Hush,
    Increment,
    PartialText,
    Reply,
    SessionLimits,
    StreamDone,
    Submit,
    Transcript,
)
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


LIVE_CLIENTS = {
    "python since 2026-07": one_input(
        {"mode": "2pass", "audio_fs": 16000, "wav_name": "demo", "wav_format": "pcm",
         "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 0, "hotwords": "", "itn": True,
         **LISTED},
        cut(PCM, 1920), is_end=True,
    ),
    "python before": one_input(
        {"mode": "2pass", "wav_name": "microphone", "encoder_chunk_look_back": 4, **LISTED},
        cut(PCM, 1920),
    ),
    "html5 with a microphone": one_input(
        {"mode": "2pass", "wav_name": "h5", "itn": True, **LISTED},
        cut(PCM, 1920), mode="2pass", wav_name="h5", **LISTED,
    ),
    "html5 with a file": one_input(
        {"mode": "2pass", "wav_name": "h5", "wav_format": "PCM", "audio_fs": 16000, **LISTED},
        cut(as_wav(PCM), 960), mode="2pass", wav_name="h5", **LISTED,
    ),
    "java": one_input(
        {"mode": "2pass", "wav_name": "a", "chunk_interval": 10, "chunk_size": [5, 10, 5]},
        cut(PCM, 1920),
    ),
    "c# online": one_input(
        {"mode": "2pass", "wav_name": "a", "wav_format": "pcm", "chunk_size": "5,10,5"},
        cut(PCM, 102_400),
    ),
    "c++ 2pass": one_input(
        {"mode": "2pass", "wav_name": "a", "wav_format": "pcm", "audio_fs": 16000, "itn": True,
         "chunk_size": [5, 10, 5], "hotwords": WORDS},
        cut(PCM, 1600),
    ),
    "android": one_input({"mode": "2pass", "wav_name": "a", **LISTED}, cut(PCM, 1920)),
    "funasr-client of PyPI": one_input(
        {"mode": "2pass", "chunk_size": [5, 10, 5], "wav_name": "a", "audio_fs": 16000},
        cut(PCM, 1920),
    ),
}  # fmt: skip


class Interpreter:
    """A session whose engine finds two utterances, the second when the input ends."""

    def __init__(self):
        self.session, self.replies = Session(SessionLimits(60.0, 60.0, 10)), []
        self.heard = 0

    def converse(self, conversation):
        for part in conversation:
            if isinstance(part, bytes):
                self.take(self.session.receive_audio(part))
            else:
                self.take(self.session.receive_text(json.dumps(part), 0.0))

    def take(self, effects):
        for effect in effects:
            match effect:
                case Reply():
                    self.replies.append(json.loads(effect.message))
                case Increment(mode, name, _, text):
                    self.replies.append(json.loads(messages.render_partial(mode, name, text)))
                case Hear(samples=samples):
                    self.heard += len(samples)
                    if self.heard - len(samples) < 8000 <= self.heard:
                        first = FinalText(0, 0, 8000, "你好。", 0.0, 0.5)
                        self.answer(PartialText(0, "你"), first)
                case Hush():
                    self.answer(FinalText(1, 8000, 16000, "再见。", 0.5, 1.0), StreamDone())

    def answer(self, *results):
        for result in results:
            self.take(self.session.take_result(1, result, 1.0))


@pytest.mark.parametrize("mode", ["online", "2pass"])
@pytest.mark.parametrize("client", LIVE_CLIENTS)
def test_every_stock_client_of_a_live_mode_gets_what_its_code_reads(client, mode):
    conversation = [
        part | {"mode": mode} if isinstance(part, dict) and "mode" in part else part
        for part in LIVE_CLIENTS[client]
    ]
    interpreter = Interpreter()
    interpreter.converse(conversation)
    assert interpreter.heard == 16000
    partial, first, *rest = interpreter.replies
    labels = ("2pass-online", "2pass-offline") if mode == "2pass" else ("online", "online")
    assert (partial["mode"], partial["text"]) == (labels[0], "你")
    assert (first["mode"], first["text"]) == (labels[1], "你好。")
    # android, c++: the connection is closed at the first is_final, so only the last may have it
    assert [each["is_final"] for each in (partial, first, rest[0])] == [False, False, True]
    assert (rest[0]["mode"], rest[0]["text"]) == (labels[1], "再见。")
    for message in (partial, first, *rest):
        assert isinstance(message["text"], str)  # python before, c#, android
        assert isinstance(message["wav_name"], str)
        assert isinstance(message.get("timestamp", ""), str)  # html5, go, c# break on others
    if client == "python since 2026-07":
        assert [(ack["is_end"], ack["is_final"]) for ack in rest[1:]] == [(True, True)]
    else:
        assert rest[1:] == []
