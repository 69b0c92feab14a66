"""Our models say what funasr's AutoModel said of all held-out speech.

What it said is in tests/data/automodel.json; test_automodel.py, which is slow, asks it again.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from asr_server.models import tokens
from asr_server.speech.pieces import Piece
from tests.component.asr_server.models import inputs

REFERENCES = Path(__file__).parents[3] / "data" / "automodel.json"
FRAME_MS = 10


@pytest.fixture(scope="module")
def automodel():
    """What AutoModel said: words without spaces, times and spans in milliseconds."""
    return json.loads(REFERENCES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def heard(models, utterances):
    """What our recogniser says of all utterances in one batch."""
    return models.recognizer.recognize([utterance.audio for utterance in utterances])


def test_every_utterance_has_the_words_of_automodel(automodel, heard):
    ours = [tokens.join(words.tokens).replace(" ", "") for words in heard]
    assert ours == automodel["words"]


def test_every_word_has_the_time_of_automodel(automodel, heard):
    for ours, theirs in zip(heard, automodel["times"], strict=True):
        assert np.shape(ours.stamps) == np.shape(theirs)
        assert np.abs(np.subtract(ours.stamps, theirs)).max() <= 1  # they cut, we round


@pytest.mark.parametrize("size", inputs.SIZES, ids=str)
def test_every_step_of_a_stream_has_the_words_of_automodel(automodel, models, utterances, size):
    recognizer = models.streaming_recognizer
    streams = inputs.choose_streams(utterances, size)
    for audio, theirs in zip(streams, automodel["steps"][str(size)], strict=True):
        state, ours = recognizer.start(size), []
        for piece, last in inputs.cut_stream(audio, size):
            (spoken,) = recognizer.advance([Piece(state, piece, last=last)])
            state = spoken.state
            ours.append(tokens.join(spoken.tokens))
        assert ours == theirs


def assert_spans(ours, theirs):
    assert np.shape(ours) == np.shape(theirs)
    assert np.abs(np.subtract(ours, theirs)).max() <= FRAME_MS


def test_every_utterance_has_the_spans_of_automodel(automodel, models, utterances):
    found = models.vad.detect([utterance.audio for utterance in utterances])
    for ours, theirs in zip(found, automodel["spans"], strict=True):
        assert_spans([(span.start_ms, span.end_ms) for span in ours], theirs)


def test_joined_recordings_have_the_spans_of_automodel(automodel, models, utterances):
    found = models.vad.detect(inputs.join_recordings(utterances))
    for ours, theirs in zip(found, automodel["joined_spans"], strict=True):
        assert len(theirs) >= 2
        assert_spans([(span.start_ms, span.end_ms) for span in ours], theirs)


def test_joined_recordings_have_the_text_of_automodel(automodel, models, utterances):
    recordings = inputs.join_recordings(utterances)
    found = transcribe(models, recordings)
    assert [text.replace(" ", "") for text in found] == automodel["joined_texts"]


def transcribe(models, recordings):
    """Do what the engine does: find speech, recognise it, punctuate."""
    texts = []
    for audio, spans in zip(recordings, models.vad.detect(recordings), strict=True):
        segments = [audio[span.start_ms * 16 : span.end_ms * 16] for span in spans]
        found = models.recognizer.recognize(segments)
        texts.append([token for words in found for token in words.tokens])
    return models.punctuation.punctuate(texts)


def test_long_texts_are_punctuated_like_automodel(automodel, models, utterances):
    found = models.punctuation.punctuate(inputs.write_texts(utterances))
    assert [text.replace(" ", "") for text in found] == automodel["punctuated"]
