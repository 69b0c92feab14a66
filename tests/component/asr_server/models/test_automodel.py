"""What funasr's AutoModel says today, and what it decides on random input; it takes a minute.

test_parity.py compares our models with what it said. RECORD=1 writes that anew.
"""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asr_server.models import endpoint_rules, endpointing, loading, stamps, tokens
from asr_server.speech.pieces import Piece
from tests.component.asr_server.models import inputs, stock

REFERENCES = Path(__file__).parents[3] / "data" / "automodel.json"
MAX_END_SILENCE_MS = 800

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def automodel():
    """funasr's own models on the same folders, each alone and all together."""
    folder = loading.demo_directory()
    asr, vad, punc = ({"model": str(folder / part)} for part in ("asr", "vad", "punc"))
    online = {"model": str(folder / "asr_online")}
    whole = {
        **asr,
        "vad_model": vad["model"],
        "punc_model": punc["model"],
        "vad_kwargs": stock.PART,
        "punc_kwargs": stock.PART,
    }
    with stock.opened(asr=asr, vad=vad, punc=punc, online=online, all=whole) as opened:
        yield opened


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


@pytest.fixture(scope="module")
def said(automodel, utterances):
    """All that test_parity.py compares with."""
    audio = [utterance.audio for utterance in utterances]
    recordings = inputs.join_recordings(utterances)
    return {
        "words": [say_words(automodel.asr, samples) for samples in audio],
        "times": [say_times(automodel.asr, samples) for samples in audio],
        "steps": {
            str(size): [
                stock_steps(automodel, samples, size)[0]
                for samples in inputs.choose_streams(utterances, size)
            ]
            for size in inputs.SIZES
        },
        "spans": [say_spans(automodel.vad, samples) for samples in audio],
        "joined_spans": [say_spans(automodel.vad, samples) for samples in recordings],
        "joined_texts": [
            say_words(automodel.all, samples, max_end_silence_time=MAX_END_SILENCE_MS)
            for samples in recordings
        ],
        "punctuated": [
            automodel.punc.generate(input=tokens.join(text))[0]["text"].replace(" ", "")
            for text in inputs.write_texts(utterances)
        ],
    }


def say_words(model, audio, **options):
    rows = stock.generate(model, audio, **options)
    return "".join(row["text"] for row in rows).replace(" ", "")


def say_times(model, audio):
    with times_in_order():
        rows = stock.generate(model, audio, pred_timestamp=True)
    return np.clip(rows[0]["timestamp"], 0, len(audio) // 16).tolist()


def say_spans(model, audio):
    found = stock.generate(model, audio, max_end_silence_time=MAX_END_SILENCE_MS)
    return [list(span) for span in found[0]["value"]]


@pytest.mark.parametrize(
    "part", ["words", "times", "steps", "spans", "joined_spans", "joined_texts", "punctuated"]
)
def test_automodel_says_what_it_said(said, part):
    if os.environ.get("RECORD") == "1":
        lines = (f" {json.dumps(key)}: {render(value)}" for key, value in said.items())
        REFERENCES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    assert said[part] == json.loads(REFERENCES.read_text(encoding="utf-8"))[part]


def render(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def stock_steps(automodel, audio, size):
    """Return the text of each step, and what went into and came out of the decoder."""
    model, cache, texts, decoded = automodel.online.model, {}, [], []
    decode = model.cal_decoder_with_predictor_chunk

    def spy(hidden, lengths, embeddings, counts, **options):
        result = decode(hidden, lengths, embeddings, counts, **options)
        decoded.append((hidden, embeddings, result[0].argmax(dim=-1)))
        return result

    model.cal_decoder_with_predictor_chunk = spy
    try:
        for piece, last in inputs.cut_stream(audio, size):
            options = {"cache": cache, "is_final": last, "chunk_size": list(size)}
            options |= {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
            found = stock.generate(automodel.online, piece, **options)
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
        for piece, last in inputs.cut_stream(audio, size):
            spoken = recognizer.advance([Piece(state, piece, last=last)])[0]
            state = spoken.state
            texts.append(tokens.join(spoken.tokens))
    finally:
        del recognizer.network.decode
    return texts, decoded


@pytest.mark.parametrize("size", inputs.SIZES, ids=str)
def test_every_step_of_a_stream_is_that_of_automodel(automodel, models, utterances, size):
    """Encoded frames, acoustic embeddings, symbols and text."""
    for recording in inputs.choose_streams(utterances, size):
        texts, decoded = our_steps(models.streaming_recognizer, recording, size)
        expected, theirs = stock_steps(automodel, recording, size)
        assert texts == expected
        for ours, stocks in zip(decoded, theirs, strict=True):
            for value, other in zip(ours, stocks, strict=True):
                torch.testing.assert_close(value, other, atol=2e-3, rtol=1e-3)


WEIGHTS = st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=60)


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


@settings(max_examples=60)
@given(runs=RUNS, flicker=st.integers(0, 3), longest_ms=st.sampled_from([60000, 2000]))
def test_random_decisions_give_the_spans_of_the_stock_machine(automodel, runs, flicker, longest_ms):
    """Silence probabilities in runs, some of which flicker, through both decision machines."""
    silence = np.array([0.9, *(level for level, frames in runs for _ in range(frames))], np.float32)
    if flicker:
        silence[:: flicker + 1] = 1 - silence[:: flicker + 1]
    silence = silence.clip(1e-6, 1 - 1e-6)  # the stock machine cannot take the log of zero
    config = endpoint_rules.EndpointConfig(max_single_segment_time=longest_ms)
    is_speech = endpointing.classify(silence, config)
    spans = endpointing.find_spans(is_speech, endpoint_rules.read_rules(config, MAX_END_SILENCE_MS))
    assert [[span.start_ms, span.end_ms] for span in spans] == decide(
        automodel, silence, longest_ms
    )


def decide(automodel, silence, longest_ms):
    """Run the stock machine on given probabilities, in place of its network's."""
    machine = automodel.vad.model
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
