"""The words of a stream depend neither on the streams beside it nor on how its audio comes."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.models import loading, tokens
from asr_server.speech.pieces import Piece

SIZES = [(5, 10, 5), (0, 10, 5), (8, 8, 4), (0, 8, 4), (5, 10, 0), (2, 3, 1)]
LENGTHS = st.lists(st.sampled_from([0, 1, 959, 960, 7000, 9600, 30_000]), max_size=8)


class Stream:
    """One utterance on its way, in pieces of given lengths; the rest is its last piece."""

    def __init__(self, recognizer, audio, size, lengths=None):
        step = recognizer.step_samples(size)
        self.audio = audio
        self.lengths = [step] * ((len(audio) - 1) // step) if lengths is None else list(lengths)
        self.state = recognizer.start(size)
        self.steps = []
        self.is_done = False

    def next_piece(self):
        self.is_done = not self.lengths
        length = self.lengths.pop(0) if self.lengths else len(self.audio)
        piece = Piece(self.state, self.audio[:length], last=self.is_done)
        self.audio = self.audio[length:]
        return piece

    def accept(self, spoken):
        self.state = spoken.state
        self.steps.append(spoken.tokens)


def recognize(recognizer, streams, draw=None):
    """Run streams to their ends; with `draw`, a random choice of them goes on each time."""
    while live := [stream for stream in streams if not stream.is_done]:
        chosen = draw.sample(live, draw.randint(1, len(live))) if draw else live
        spoken = recognizer.advance([stream.next_piece() for stream in chosen])
        for stream, result in zip(chosen, spoken, strict=True):
            stream.accept(result)
    return [stream.steps for stream in streams]


@pytest.fixture(scope="module")
def recognizer(models):
    return models.streaming_recognizer


@pytest.fixture(scope="module")
def rows(utterances):
    """Utterances and odd rows, each with a chunk size."""
    noise = np.random.default_rng(0)
    odd = [
        np.zeros(0, np.int16),
        np.zeros(300, np.int16),
        np.full(959, 3000, np.int16),
        np.zeros(40_000, np.int16),
        noise.integers(-32768, 32767, 50_000).astype(np.int16),
        utterances[0].audio[:19200],
    ]
    audio = [utterance.audio for utterance in utterances[:18]] + odd
    return [(row, SIZES[place % len(SIZES)]) for place, row in enumerate(audio)]


@pytest.fixture(scope="module")
def alone(recognizer, rows):
    return [recognize(recognizer, [Stream(recognizer, *row)])[0] for row in rows]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_streams_of_any_age_share_batches_without_a_trace(recognizer, rows, alone, seed):
    """Each turn another choice of streams in another order, so that ages and places mix."""
    streams = [Stream(recognizer, *row) for row in rows]
    assert recognize(recognizer, streams, random.Random(seed)) == alone


def test_silence_and_moments_have_no_words(alone):
    assert [[step for step in row if step] for row in alone[18:22]] == [[]] * 4
    assert all(any(steps) for steps in alone[:18])


@settings(max_examples=10)
@given(place=st.integers(0, 23), cuts=st.lists(LENGTHS, min_size=3, max_size=3))
def test_pieces_of_any_length_have_the_words_of_exact_steps(recognizer, rows, alone, place, cuts):
    audio, size = rows[place]
    streams = [Stream(recognizer, audio, size, lengths) for lengths in cuts]
    for steps in recognize(recognizer, streams):
        assert [token for step in steps for token in step] == [
            token for step in alone[place] for token in step
        ]


@pytest.mark.parametrize(("size", "allowed"), [((5, 10, 5), 0.05), ((0, 10, 5), 0.1)])
def test_held_out_speech_is_recognised_while_it_is_spoken(
    recognizer, utterances, cer, size, allowed
):
    streams = [Stream(recognizer, utterance.audio, size) for utterance in utterances]
    found = recognize(recognizer, streams)
    texts = ["".join(tokens.join(step) for step in steps) for steps in found]
    pairs = [(utterance.text, text) for utterance, text in zip(utterances, texts, strict=True)]
    assert cer(pairs) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_precision_recognises_streams(models, utterances, cer, dtype):
    other = loading.load_models(loading.demo_directory(), device=models.device, dtype=dtype)
    other.warm_up(batch_size=3, audio_s=10.0)
    recognizer = other.streaming_recognizer
    streams = [Stream(recognizer, row.audio, (5, 10, 5)) for row in utterances[:20]]
    found = recognize(recognizer, streams, random.Random(1))
    texts = ["".join(tokens.join(step) for step in steps) for steps in found]
    assert cer(zip((row.text for row in utterances), texts, strict=False)) <= 0.05


def test_a_batch_that_failed_can_be_tried_again(recognizer, utterances, monkeypatch):
    stream = Stream(recognizer, utterances[0].audio, (5, 10, 5))
    stream.accept(recognizer.advance([stream.next_piece()])[0])
    piece = stream.next_piece()
    first = recognizer.advance([piece])[0].tokens
    monkeypatch.setattr(recognizer.network.network.decoder, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recognizer.advance([piece])
    monkeypatch.undo()
    assert recognizer.advance([piece])[0].tokens == first
    assert first


def test_what_is_remembered_of_an_utterance_does_not_grow(recognizer, utterances):
    """Every tensor owns its memory: no stream keeps the batch alive that it was in."""
    audio = np.resize(utterances[0].audio, 9600 * 20)
    streams = [Stream(recognizer, audio, (5, 10, 5)) for _ in range(3)]
    sizes = []
    for _ in range(20):
        spoken = recognizer.advance([stream.next_piece() for stream in streams])
        for stream, result in zip(streams, spoken, strict=True):
            stream.accept(result)
        memory = streams[1].state.memory
        sizes.append(
            [
                part.untyped_storage().nbytes()
                for part in (
                    memory.overlap,
                    memory.known,
                    memory.partial,
                    memory.encoded,
                    memory.spoken,
                )
            ]
        )
        assert sizes[-1][1] == memory.known.numel() * memory.known.element_size()
        assert len(streams[1].state.carry.audio) == 480
    assert sizes[10] == sizes[-1]
    assert memory.known.shape[1] == 40


def test_chunk_sizes_that_go_nowhere_are_refused(recognizer):
    with pytest.raises(ValueError, match=r"\[5, 0, 5\]: the second must be above 0"):
        recognizer.start((5, 0, 5))
    with pytest.raises(ValueError, match="chunk_size"):
        recognizer.start((-1, 10, 5))
