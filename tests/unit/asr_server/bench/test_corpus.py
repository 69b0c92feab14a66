"""Recordings are read with their words, and the packaged ones are what they say they are."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_server.bench import corpus
from asr_server.client.arguments import UsageError
from asr_server.models import loading
from asr_server.speech.pieces import Piece

HELD_OUT = Path(__file__).parents[3] / "data" / "utterances"
ROWS = json.loads((corpus.DEMO / "manifest.json").read_text())["utterances"]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.asarray(samples, np.int16).tobytes())


@pytest.fixture
def folder(tmp_path):
    write_wav(tmp_path / "a.wav", [0] * 16000 + [5000] * 8000 + [0] * 16000)
    return tmp_path


def test_the_packaged_speech_is_that_of_the_tests_without_silence_around_it():
    texts = {
        row["name"]: row["text"]
        for row in json.loads((HELD_OUT / "manifest.json").read_text())["utterances"]
    }
    for row, phrase in zip(ROWS, corpus.load_phrases(), strict=True):
        samples, _ = soundfile.read(HELD_OUT / f"{row['name']}.flac", dtype="int16")
        assert phrase.pcm == corpus.trim_silence(samples.tobytes())
        assert phrase.text == texts[row["name"]]


def test_the_end_of_packaged_speech_is_known_when_the_manifest_says():
    vad = loading.load_models(loading.demo_directory(), device="cpu", dtype="float32").streaming_vad
    phrases = corpus.load_phrases()
    pieces = [
        Piece(vad.start(), np.frombuffer(phrase.pcm + bytes(2 * 32000), np.int16))
        for phrase in phrases
    ]
    for phrase, found in zip(phrases, vad.advance(pieces), strict=True):
        (span,) = found.ended
        known_s = (span.end_ms + vad.hindsight_ms) / 1000 - phrase.duration_s
        assert phrase.end_silence_s == pytest.approx(known_s, abs=0.02)


def test_words_stand_beside_a_recording_or_in_a_manifest(folder):
    (folder / "a.txt").write_text("你好", encoding="utf-8")
    (phrase,) = corpus.load_phrases(folder, 0.5)
    assert (phrase.text, phrase.duration_s, phrase.end_silence_s) == ("你好", 0.7, 0.5)
    row = {"name": "a", "text": "再见", "end_silence_ms": 700}
    (folder / "manifest.json").write_text(json.dumps({"utterances": [row]}))
    (phrase,) = corpus.load_phrases(folder, 0.5)
    assert (phrase.text, phrase.end_silence_s) == ("再见", 0.7)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("b.wav", b"no sound", r"b.wav: no expected words: write what is said into b.txt"),
        ("a.txt", b" ,\n", "its text is empty"),
        ("manifest.json", b"{}", "no list of utterances with name and text"),
        ("manifest.json", b'{"utterances": []}', "no WAV file there"),
        ("manifest.json", b'{"utterances": [{"name": "c", "text": "x"}]}', "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told(folder, name, content, reason):
    (folder / "a.txt").write_text("你好", encoding="utf-8")
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        corpus.load_phrases(folder)


def test_silence_and_other_formats_are_told(folder):
    (folder / "a.txt").write_text("你好", encoding="utf-8")
    write_wav(folder / "a.wav", [10] * 8000)
    with pytest.raises(UsageError, match=r"a.wav: there is no sound in it"):
        corpus.load_phrases(folder)
    (folder / "a.wav").write_bytes(b"ID3 and so on")
    with pytest.raises(UsageError, match=r"take .pcm and .wav alone"):
        corpus.load_phrases(folder)
    with pytest.raises(UsageError, match="no such folder"):
        corpus.load_phrases(folder / "none")
