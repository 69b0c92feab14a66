"""What comes out for a row does not depend on the rows beside it, nor much on the precision."""

import random

import numpy as np
import pytest

from asr_server.models import loading, tokens
from asr_server.speech.words import Words

RATE_HZ = 16000
slow = pytest.mark.slow


def odd_rows():
    """Rows without speech: empty, under a frame, one frame, silence, noise, clipped noise."""
    noise = np.random.default_rng(0)
    return [
        np.zeros(0, np.int16),
        np.zeros(399, np.int16),
        np.full(400, 3000, np.int16),
        np.zeros(RATE_HZ * 4, np.int16),
        noise.integers(-20, 20, RATE_HZ * 2).astype(np.int16),
        noise.integers(-32768, 32767, RATE_HZ * 6).astype(np.int16),
    ]


@pytest.fixture(scope="module")
def alone(models, utterances):
    """What each utterance gives in a batch of its own."""
    return {
        utterance.name: (
            models.recognizer.recognize([utterance.audio])[0],
            models.vad.detect([utterance.audio])[0],
        )
        for utterance in utterances
    }


@pytest.mark.parametrize("size", [pytest.param(2, marks=slow), 16, pytest.param(100, marks=slow)])
def test_a_batch_gives_what_each_utterance_gives_alone(models, utterances, alone, size):
    shuffled = random.Random(size).sample(utterances, len(utterances))
    for start in range(0, len(shuffled), size):
        batch = shuffled[start : start + size]
        audio = [utterance.audio for utterance in batch]
        results = zip(models.recognizer.recognize(audio), models.vad.detect(audio), strict=True)
        for utterance, result in zip(batch, results, strict=True):
            assert result == alone[utterance.name]


@pytest.mark.parametrize("position", range(7))
def test_rows_without_speech_change_nothing_wherever_they_are(models, utterances, alone, position):
    odd = odd_rows()
    spoken = utterances[position * 6 : position * 6 + 6]
    audio = [utterance.audio for utterance in spoken]
    batch = [*audio[:position], *odd, *audio[position:]]
    words, spans = models.recognizer.recognize(batch), models.vad.detect(batch)
    middle = slice(position, position + len(odd))
    assert words[middle] == [models.recognizer.recognize([row])[0] for row in odd]
    assert spans[middle] == [models.vad.detect([row])[0] for row in odd]
    assert words[position : position + 4] == [Words()] * 4
    del words[middle], spans[middle]
    for utterance, *found in zip(spoken, words, spans, strict=True):
        assert tuple(found) == alone[utterance.name]


def test_batches_without_any_speech_are_empty(models):
    odd = odd_rows()[:4]
    assert models.recognizer.recognize(odd) == [Words()] * 4
    assert models.vad.detect(odd) == [[]] * 4
    assert models.punctuation.punctuate([(), ()]) == ["", ""]
    assert models.recognizer.recognize([]) == []
    assert models.vad.detect([]) == []
    assert models.punctuation.punctuate([]) == []


def test_texts_are_punctuated_together_as_alone(models, utterances):
    draw = random.Random(1)
    texts = [
        tokens.split("".join(u.text for u in draw.sample(utterances, draw.randint(1, 9))))
        for _ in range(20)
    ]
    alone = [models.punctuation.punctuate([text])[0] for text in texts]
    assert models.punctuation.punctuate([(), *texts]) == ["", *alone]


@pytest.mark.parametrize(
    "dtype", ["float32", *(pytest.param(d, marks=slow) for d in ("float16", "bfloat16"))]
)
def test_every_precision_recognises_held_out_speech(models, utterances, cer, dtype):
    other = loading.load_models(loading.demo_directory(), device=models.device, dtype=dtype)
    other.warm_up(batch_size=4, audio_s=20.0)
    found = other.recognizer.recognize([utterance.audio for utterance in utterances])
    spans = other.vad.detect([utterance.audio for utterance in utterances])
    assert all(spans)
    pairs = [
        (u.text, tokens.join(words.tokens)) for u, words in zip(utterances, found, strict=True)
    ]
    assert cer(pairs) <= 0.03
    first = found[0].tokens
    assert other.punctuation.punctuate([first]) == [tokens.join(first) + "。"]


def test_long_recordings_are_searched_piece_by_piece(models, utterances, monkeypatch):
    silence = np.zeros(RATE_HZ * 57, np.int16)
    audio = np.concatenate([part for u in utterances[:5] for part in (silence, u.audio)])
    sizes = []
    whole = models.vad.front.stack

    def stack(bank, frames, offsets, steps):
        sizes.append(len(bank) * steps)
        return whole(bank, frames, offsets, steps)

    monkeypatch.setattr(models.vad.front, "stack", stack)
    spans = models.vad.detect([audio, audio[: RATE_HZ * 90]])
    assert len(spans[0]) >= 5
    assert spans[1][0] == spans[0][0]
    assert max(sizes) <= 6000
    assert sum(sizes) >= (len(audio) + RATE_HZ * 90) // 160 - 10
