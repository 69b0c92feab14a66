"""Our models give what funasr's AutoModel gives, on all held-out speech and on random decisions."""

import contextlib
import io
import logging
import random
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asr_server.models import endpointing, loading, stamps, tokens
from asr_server.speech.pieces import Piece

FRAME_MS = 10
MAX_END_SILENCE_MS = 800


@pytest.fixture(scope="module")
def stock():
    """funasr's own models on the same folders; importing it takes seconds."""
    folder = loading.demo_directory()
    options = {"device": "cpu", "disable_update": True, "disable_pbar": True, "ncpu": 1}
    part = {"disable_update": True}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import funasr

        logging.disable(logging.WARNING)
        build = {
            "asr": {"model": str(folder / "asr")},
            "vad": {"model": str(folder / "vad")},
            "punc": {"model": str(folder / "punc")},
            "online": {"model": str(folder / "asr_online")},
            "all": {
                "model": str(folder / "asr"),
                "vad_model": str(folder / "vad"),
                "punc_model": str(folder / "punc"),
                "vad_kwargs": part,
                "punc_kwargs": part,
            },
        }
        made = {name: funasr.AutoModel(**given, **options) for name, given in build.items()}
    yield SimpleNamespace(**made)
    logging.disable(logging.NOTSET)


def generate(model, audio, **options):
    """Run a stock model on one recording; it expects floats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.generate(input=audio.astype(np.float32) / 32768, **options)


def stock_spans(model, audio):
    found = generate(model, audio, max_end_silence_time=MAX_END_SILENCE_MS)
    return [tuple(span) for span in found[0]["value"]]


def our_spans(models, audio):
    return [[(span.start_ms, span.end_ms) for span in row] for row in models.vad.detect(audio)]


def transcribe(models, recordings):
    """Do what the engine does: find speech, recognise it, punctuate."""
    texts = []
    for audio, spans in zip(recordings, models.vad.detect(recordings), strict=True):
        segments = [audio[span.start_ms * 16 : span.end_ms * 16] for span in spans]
        found = models.recognizer.recognize(segments)
        texts.append([token for words in found for token in words.tokens])
    return models.punctuation.punctuate(texts)


@pytest.fixture(scope="module")
def recordings(utterances):
    """Utterances joined with gaps, some with noise over all; one longer than a VAD chunk."""
    draw = random.Random(3)
    joined = []
    for number, count in enumerate([2, 3, 4, 5, 2, 3, 4, 26]):
        parts = []
        for utterance in draw.sample(utterances, count):
            parts += [np.zeros(draw.randrange(100, 32000), np.int16), utterance.audio]
        audio = np.concatenate(parts).astype(np.float64)
        if number % 2:
            noise = np.random.default_rng(number)
            audio += noise.normal(0, draw.choice([5, 50, 200, 1000]), len(audio))
        joined.append(audio.clip(-32768, 32767).astype(np.int16))
    return joined


def test_every_utterance_has_the_words_of_automodel(stock, models, utterances):
    ours = models.recognizer.recognize([utterance.audio for utterance in utterances])
    for utterance, found in zip(utterances, ours, strict=True):
        theirs = "".join(row["text"] for row in generate(stock.asr, utterance.audio))
        assert tokens.join(found.tokens).replace(" ", "") == theirs.replace(" ", "")


@contextlib.contextmanager
def times_in_order():
    """Let funasr's Paraformer (1.4.16) ask for times with weights and firings in their order."""
    from funasr.models.paraformer import model

    locate = model.ts_prediction_lfr6_standard
    model.ts_prediction_lfr6_standard = lambda fires, weights, *rest, **options: locate(
        weights, fires, *rest, **options
    )
    try:
        yield
    finally:
        model.ts_prediction_lfr6_standard = locate


def test_every_word_has_the_time_of_automodel(stock, models, utterances):
    ours = models.recognizer.recognize([utterance.audio for utterance in utterances])
    with times_in_order():
        for utterance, found in zip(utterances, ours, strict=True):
            rows = generate(stock.asr, utterance.audio, pred_timestamp=True)
            theirs = np.clip(rows[0]["timestamp"], 0, len(utterance.audio) // 16)
            assert np.shape(found.stamps) == theirs.shape
            assert np.abs(np.subtract(found.stamps, theirs)).max() <= 1  # they cut, we round


WEIGHTS = st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=60)


@settings(deadline=None)
@given(weights=WEIGHTS, data=st.data())
def test_random_weights_give_the_times_of_funasr(weights, data):
    from funasr.models.paraformer.cif_predictor import cif_wo_hidden_v1
    from funasr.utils.timestamp_tools import ts_prediction_lfr6_standard

    pieces = max(1, int(sum(weights)) - data.draw(st.integers(0, 1)))
    weights[-1] += 1 / 64  # something is said
    end_ms = len(weights) * 60
    ours = stamps.locate(np.cumsum([0.0, *weights]), pieces, 60, end_ms)
    alphas = torch.tensor([weights])
    fires = cif_wo_hidden_v1(alphas, 1.0)
    theirs = ts_prediction_lfr6_standard(alphas[0], fires[0], ["x"] * pieces, upsample_rate=1)[1]
    assume(len(theirs) == pieces)  # it loses the last where scaled weights are over one
    difference = np.abs(np.subtract(ours, np.clip(theirs, 0, end_ms)))
    assert difference.max() <= 60  # a frame, where float32 falls short of the threshold


def stream_steps(audio, size):
    """Cut a recording as FunASR's clients do; the last piece is not empty."""
    step = size[1] * 960
    starts = range(0, len(audio), step)
    return [(audio[start : start + step], start + step >= len(audio)) for start in starts]


def stock_steps(stock, audio, size):
    """Return the text of each step, and what went into and came out of the decoder."""
    model, cache, texts, decoded = stock.online.model, {}, [], []
    decode = model.cal_decoder_with_predictor_chunk

    def spy(hidden, lengths, embeddings, counts, **options):
        result = decode(hidden, lengths, embeddings, counts, **options)
        decoded.append((hidden, embeddings, result[0].argmax(dim=-1)))
        return result

    model.cal_decoder_with_predictor_chunk = spy
    try:
        for piece, last in stream_steps(audio, size):
            options = {"cache": cache, "is_final": last, "chunk_size": list(size)}
            options |= {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
            found = generate(stock.online, piece, **options)
            texts.append("".join(row["text"] for row in found).replace(" ", ""))
    finally:
        model.cal_decoder_with_predictor_chunk = decode
    return texts, decoded


def our_steps(recognizer, audio, size):
    state, texts, decoded = recognizer.start(size), [], []
    decode = recognizer.network.decode

    def spy(chunks, hidden, embeddings):
        scores, inputs = decode(chunks, hidden, embeddings)
        decoded.append((hidden, embeddings, scores.argmax(dim=-1)))
        return scores, inputs

    recognizer.network.decode = spy
    try:
        for piece, last in stream_steps(audio, size):
            spoken = recognizer.advance([Piece(state, piece, last=last)])[0]
            state = spoken.state
            texts.append(tokens.join(spoken.tokens))
    finally:
        del recognizer.network.decode
    return texts, decoded


@pytest.mark.parametrize("size", [(5, 10, 5), (0, 10, 5), (8, 8, 4), (0, 8, 4)])
def test_every_step_of_a_stream_is_that_of_automodel(stock, models, utterances, size):
    """Encoded frames, acoustic embeddings, symbols and text; one length ends with a step."""
    audio = [utterance.audio for utterance in utterances[: 20 if size[0] == 5 else 6]]
    audio += [audio[0][: size[1] * 960 * 2], audio[1][:30_500], np.zeros(30_000, np.int16)]
    for recording in audio:
        texts, decoded = our_steps(models.streaming_recognizer, recording, size)
        expected, theirs = stock_steps(stock, recording, size)
        assert texts == expected
        for ours, stocks in zip(decoded, theirs, strict=True):
            for value, other in zip(ours, stocks, strict=True):
                torch.testing.assert_close(value, other, atol=2e-3, rtol=1e-3)


def test_every_utterance_has_the_spans_of_automodel(stock, models, utterances):
    ours = our_spans(models, [utterance.audio for utterance in utterances])
    for utterance, found in zip(utterances, ours, strict=True):
        theirs = stock_spans(stock.vad, utterance.audio)
        assert np.shape(found) == np.shape(theirs)
        assert np.abs(np.subtract(found, theirs)).max() <= FRAME_MS


def test_joined_recordings_have_the_spans_of_automodel(stock, models, recordings):
    for audio, found in zip(recordings, our_spans(models, recordings), strict=True):
        theirs = stock_spans(stock.vad, audio)
        assert len(theirs) >= 2
        assert np.shape(found) == np.shape(theirs)
        assert np.abs(np.subtract(found, theirs)).max() <= FRAME_MS


def test_joined_recordings_have_the_text_of_automodel(stock, models, recordings):
    for audio, found in zip(recordings, transcribe(models, recordings), strict=True):
        theirs = generate(stock.all, audio, max_end_silence_time=MAX_END_SILENCE_MS)[0]["text"]
        assert found.replace(" ", "") == theirs.replace(" ", "")


def test_long_texts_are_punctuated_like_automodel(stock, models, utterances):
    draw = random.Random(5)
    texts = [
        tokens.split("".join(u.text for u in draw.sample(utterances, count)))
        for count in (1, 2, 3, 10, 40)
    ]
    texts += [("一",) * 230, ("打", "开", "TV", "ok", "now", "客", "厅", "hello"), ("ok",)]
    for text, found in zip(texts, models.punctuation.punctuate(texts), strict=True):
        theirs = stock.punc.generate(input=tokens.join(text))[0]["text"]
        assert found.replace(" ", "") == theirs.replace(" ", "")


PIECES = st.sampled_from(
    [("打",), ("开",), ("a",), ("b",), ("hello",), ("tele@@", "vision"), ("3",), ("<unk>",)]
)


@given(st.lists(PIECES.filter(lambda piece: piece not in [("3",), ("<unk>",)])))
def test_tokens_have_the_times_of_their_pieces(words):
    from funasr.utils.postprocess_utils import sentence_postprocess

    pieces = [piece for word in words for piece in word]
    times = [[n * 100, n * 100 + 90] for n in range(len(pieces))]
    ours = [[first * 100, last * 100 + 90] for _, first, last in tokens.place_pieces(pieces)]
    assert ours == sentence_postprocess(pieces, times)[1]


@given(st.lists(PIECES))
def test_pieces_become_the_text_of_funasr(words):
    from funasr.utils.postprocess_utils import sentence_postprocess

    pieces = [piece for word in words for piece in word]
    assert tokens.from_pieces(pieces) == tokens.split(sentence_postprocess(pieces)[0])


RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]), st.integers(1, 90)))


@settings(deadline=None, max_examples=60)
@given(runs=RUNS, flicker=st.integers(0, 3), longest_ms=st.sampled_from([60000, 2000]))
def test_random_decisions_give_the_spans_of_the_stock_machine(stock, runs, flicker, longest_ms):
    """Silence probabilities in runs, some of which flicker, through both decision machines."""
    silence = np.array([0.9, *(level for level, frames in runs for _ in range(frames))], np.float32)
    if flicker:
        silence[:: flicker + 1] = 1 - silence[:: flicker + 1]
    silence = silence.clip(1e-6, 1 - 1e-6)  # the stock machine cannot take the log of zero
    config = endpointing.EndpointConfig(max_single_segment_time=longest_ms)
    is_speech = endpointing.classify(silence, config)
    spans = endpointing.find_spans(is_speech, config, MAX_END_SILENCE_MS)
    assert [[span.start_ms, span.end_ms] for span in spans] == decide(stock, silence, longest_ms)


def decide(stock, silence, longest_ms):
    """Run the stock machine on given probabilities, in place of its network's."""
    machine = stock.vad.model
    scores = torch.from_numpy(np.stack([silence, 1 - silence], axis=1))[None]
    network, options = machine.encoder.forward, machine.vad_opts
    before = options.max_single_segment_time, options.max_end_silence_time
    machine.encoder.forward = lambda features, cache: scores
    options.max_single_segment_time = longest_ms
    try:
        found = machine.forward(
            feats=torch.zeros(1, len(silence), 400),
            waveform=torch.zeros(1, (len(silence) - 1) * 160 + 400),
            cache=machine.init_cache({}, max_end_silence_time=MAX_END_SILENCE_MS),
            is_final=True,
            is_streaming_input=False,
        )
    finally:
        machine.encoder.forward = network
        options.max_single_segment_time, options.max_end_silence_time = before
    return found[0] if found else []
