"""SenseVoice-Small gives what funasr's AutoModel gives, in batches that mix languages and ITN."""

import random
import re
import shutil

import numpy as np
import pytest
import torch
import yaml

from asr_server.models import loading, tokens
from asr_server.models.errors import ModelError
from asr_server.models.sense_voice import LANGUAGES
from asr_server.speech.hints import Hints
from asr_server.speech.words import NO_WORDS
from tests.component.asr_server.models import sense_voice_folder, stock

STYLES = [Hints(language, itn) for language in [*LANGUAGES, "martian"] for itn in (True, False)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A model directory with SenseVoice as `asr`; the other models are those of the demo."""
    made = tmp_path_factory.mktemp("models") / "sense"
    sense_voice_folder.write_folder(made / "asr")
    for part in ("vad", "punc"):
        shutil.copytree(loading.demo_directory() / part, made / part)
    return made


@pytest.fixture
def damaged(directory, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(directory, tmp_path / "model")


@pytest.fixture(scope="module")
def sense(directory):
    torch.set_num_threads(1)
    return load(directory)


def load(directory, dtype="float32"):
    return loading.load_models(directory, device="cpu", dtype=dtype)


@pytest.fixture(scope="module")
def automodel(directory):
    with stock.opened(asr={"model": str(directory / "asr")}) as opened:
        yield opened.asr


def generate(model, audio, style):
    """Return the text of a stock model, and its encoded audio."""
    encoded = []
    hook = model.model.encoder.register_forward_hook(lambda *call: encoded.append(call[2][0]))
    (row,) = stock.generate(model, audio, language=style.language, use_itn=style.itn)
    hook.remove()
    return row["text"], encoded[0]


@pytest.mark.slow
def test_our_network_has_the_weights_of_funasr(automodel, sense):
    ours, theirs = sense.recognizer.network.state_dict(), automodel.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name])


@pytest.mark.slow
def test_every_style_gives_the_text_of_automodel(automodel, sense, utterances):
    """All in one batch; with random weights every answer holds many symbols."""
    audio = [utterance.audio for utterance in utterances[: len(STYLES)]]
    found = sense.recognizer.recognize(audio, STYLES)
    symbols = set()
    for ours, samples, style in zip(found, audio, STYLES, strict=True):
        theirs, _ = generate(automodel, samples, style)
        assert ours.tokens == tokens.split(re.sub(r"<\|.*?\|>", "", theirs))
        assert "<|" in theirs  # tags were there to be left out
        symbols |= set(ours.tokens)
    assert len(symbols) > 30


@pytest.mark.slow
def test_encoded_audio_is_that_of_automodel(automodel, sense, utterances):
    audio = [utterance.audio for utterance in utterances[:6]]
    styles = STYLES[2:8]
    recognizer = sense.recognizer
    with torch.inference_mode():
        waveforms = recognizer.front.load(audio)
        lengths = [recognizer.front.count_steps(frames) for frames in waveforms.frames]
        hidden = recognizer.network.encode(recognizer.front.features(waveforms), lengths, styles)
    for row, length, samples, style in zip(hidden, lengths, audio, styles, strict=True):
        _, theirs = generate(automodel, samples, style)
        torch.testing.assert_close(row[: length + 4], theirs[0], atol=2e-3, rtol=1e-3)


def test_language_and_itn_of_a_row_change_that_row_alone(sense, utterances):
    audio = [utterances[0].audio] * 3 + [utterances[1].audio]
    plain = Hints()
    same = sense.recognizer.recognize(audio)
    asked = [plain, Hints("en"), Hints("auto", itn=False), plain]
    mixed = sense.recognizer.recognize(audio, asked)
    assert mixed[0] == same[0] == same[1] == same[2]
    assert mixed[3] == same[3]
    assert len({mixed[0], mixed[1], mixed[2]}) == 3


@pytest.mark.parametrize("size", [pytest.param(2, marks=pytest.mark.slow), 16])
def test_a_batch_gives_what_each_row_gives_alone(sense, utterances, size):
    draw = random.Random(size)
    rows = [(utterance.audio, draw.choice(STYLES)) for utterance in utterances[:32]]
    rows += [(np.zeros(samples, np.int16), Hints()) for samples in (0, 399, 400, 64000)]
    draw.shuffle(rows)
    recognize = sense.recognizer.recognize
    alone = [recognize([audio], [style])[0] for audio, style in rows]
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    found = [recognize(*map(list, zip(*batch, strict=True))) for batch in batches]
    assert [row for batch in found for row in batch] == alone
    assert recognize([np.zeros(399, np.int16)]) == [NO_WORDS]
    assert recognize([]) == []


def test_large_batches_are_scored_piece_by_piece(sense, utterances, monkeypatch):
    audio = [utterance.audio for utterance in utterances[:8]]
    whole = sense.recognizer.recognize(audio)
    monkeypatch.setattr("asr_server.models.sense_voice._SCORED_POSITIONS", 7)
    assert sense.recognizer.recognize(audio) == whole


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_precision_warms_up_and_recognises(directory, utterances, dtype):
    models = load(directory, dtype)
    models.warm_up(batch_size=4, audio_s=8.0)
    found = models.recognizer.recognize([utterance.audio for utterance in utterances[:4]])
    assert all(words.tokens and not words.stamps for words in found)


def test_what_it_recognises_is_not_punctuated_again(sense):
    assert sense.punctuation is None


def change_config(**changes):
    def change(folder):
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))

    return change


def change_weights(edit):
    def change(folder):
        torch.save(edit(torch.load(folder / "model.pt")), folder / "model.pt")

    return change


CONF = sense_voice_folder.CONFIG["encoder_conf"]
EMBED, NORM = "embed.weight", "encoder.tp_norm.bias"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / "small.bpe.model").unlink(), r"has no \*.bpe.model"),
        (lambda f: shutil.copy(f / "small.bpe.model", f / "b.bpe.model"), r"has 2 \*.bpe.model"),
        (lambda f: (f / "small.bpe.model").write_text("text"), "not a SentencePiece model"),
        (lambda f: (f / "small.bpe.model").write_text(""), "not a SentencePiece model"),
        (lambda f: (f / "am.mvn").unlink(), "am.mvn is missing"),
        (change_config(tokenizer="CharTokenizer"), "CharTokenizer.*tokenizer"),
        (change_config(encoder="SANMEncoder"), "SANMEncoder.*encoder"),
        (change_config(normalize="GlobalMVN"), "normalize"),
        (change_config(encoder_conf={**CONF, "tp_blocks": 1}), "unexpected key encoder.tp_enc"),
        (change_config(encoder_conf={**CONF, "normalize_before": False}), "normalize_before"),
        (change_weights(lambda w: {k: v for k, v in w.items() if k != NORM}), f"lacks key {NORM}"),
        (
            change_weights(lambda w: {**w, EMBED: w[EMBED][:9]}),
            r"shape \(9, 560\), not \(16, 560\)",
        ),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_and_named(damaged, change, says):
    change(damaged / "asr")
    with pytest.raises(ModelError, match=says) as error:
        load(damaged)
    assert str(damaged / "asr") in str(error.value)


def test_scores_that_are_no_numbers_are_an_error(damaged, utterances):
    change_weights(lambda w: {**w, "ctc.ctc_lo.bias": w["ctc.ctc_lo.bias"] * float("nan")})(
        damaged / "asr"
    )
    models = load(damaged)
    with pytest.raises(ModelError, match="model/asr gives NaN"):
        models.warm_up(2, 4.0)
    with pytest.raises(ArithmeticError, match="gave NaN"):
        models.recognizer.recognize([utterances[0].audio])
