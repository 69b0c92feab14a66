"""SeACo-Paraformer gives what funasr's AutoModel gives, and rows of a batch differ in hotwords."""

import logging
import random
import shutil

import numpy as np
import pytest
import torch
import yaml

from asr_server.models import hotword_cache, loading, seaco, tokens
from asr_server.models.errors import ModelError
from asr_server.speech.hints import NO_HINTS, Hints
from asr_server.speech.words import NO_WORDS
from tests.component.asr_server.models import seaco_folder, stock

CHARACTERS = (
    "一七三上下不丢两个么乐九书买了事二五交京人什今以们份优会低余你修候停入八六关再几出到办务"
)
FEW = ("打开", "客厅的灯", "hello", "5", "world")
PAIRS = zip(CHARACTERS * 2, CHARACTERS[1:] + CHARACTERS[2:], strict=False)
MANY = tuple(a + b for a, b in PAIRS)
EXACTLY = [MANY[:count] for count in (1, 49, 50)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A model directory with SeACo-Paraformer as `asr`; the other models are those of the demo."""
    made = tmp_path_factory.mktemp("models") / "seaco"
    seaco_folder.write_folder(made / "asr")
    with (made / "asr" / "seg_dict").open("a") as file:
        file.writelines(f"{character} {character}\n" for character in CHARACTERS + "的")
    for part in ("vad", "punc"):
        shutil.copytree(loading.demo_directory() / part, made / part)
    return made


@pytest.fixture(scope="module")
def biased(directory):
    torch.set_num_threads(1)
    return loading.load_models(directory, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def automodel(directory):
    with stock.opened(asr={"model": str(directory / "asr")}) as opened:
        yield opened.asr


def generate(model, audio, hotwords=()):
    (row,) = stock.generate(model, audio, **({"hotword": " ".join(hotwords)} if hotwords else {}))
    return row


def assert_equal(ours, theirs, audio):
    """Compare the text, and the times but for what is cut and what is rounded."""
    assert tokens.join(ours.tokens).replace(" ", "") == theirs["text"].replace(" ", "")
    expected = np.clip(theirs["timestamp"], 0, len(audio) // 16)
    assert np.shape(ours.stamps) == expected.shape
    differences = np.abs(np.subtract(ours.stamps, expected))
    assert np.mean(differences > 1) < 0.01  # a third of a frame, where float32 falls short
    assert differences.max() <= 21


@pytest.mark.slow
def test_our_network_has_the_weights_of_funasr(automodel, biased):
    ours, theirs = biased.recognizer.network.state_dict(), automodel.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "hotwords", [(), FEW, *EXACTLY, MANY], ids=lambda words: f"{len(words)} hotwords"
)
def test_hotwords_give_the_words_and_times_of_automodel(automodel, biased, utterances, hotwords):
    """All in one batch; with random weights every answer holds many symbols."""
    audio = [utterance.audio for utterance in utterances[:12]]
    found = biased.recognizer.recognize(audio, [Hints(hotwords=hotwords)] * len(audio))
    for ours, samples in zip(found, audio, strict=True):
        assert_equal(ours, generate(automodel, samples, hotwords), samples)
    symbols = {token for words in found for token in words.tokens}
    assert len(symbols) > 10


def test_hotwords_of_a_row_change_that_row_alone(biased, utterances):
    audio = [utterance.audio for utterance in utterances[:16]]
    lists = [(), FEW, MANY, FEW[::-1]] * 4
    plain = biased.recognizer.recognize(audio)
    mixed = biased.recognizer.recognize(audio, [Hints(hotwords=words) for words in lists])
    changed = {words: False for words in lists}
    for before, after, words in zip(plain, mixed, lists, strict=True):
        same = [a == b for a, b in zip(before.tokens, after.tokens, strict=True)]
        assert any(same)
        changed[words] |= not all(same)
    assert changed == {words: bool(words) for words in lists}


@pytest.mark.parametrize("size", [pytest.param(2, marks=pytest.mark.slow), 16])
def test_a_batch_gives_what_each_row_gives_alone(biased, utterances, size):
    draw = random.Random(size)
    lists = [(), FEW, *EXACTLY, MANY, ("unknown",)]
    rows = [(u.audio, Hints(hotwords=draw.choice(lists))) for u in utterances[:32]]
    rows += [(np.zeros(n, np.int16), Hints(hotwords=FEW)) for n in (0, 399, 400, 64000)]
    draw.shuffle(rows)
    recognize = biased.recognizer.recognize
    alone = [recognize([audio], [hints])[0] for audio, hints in rows]
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    found = [recognize(*map(list, zip(*batch, strict=True))) for batch in batches]
    assert [row for batch in found for row in batch] == alone
    assert recognize([np.zeros(399, np.int16)]) == [NO_WORDS]
    assert recognize([]) == []


def test_words_without_symbols_are_left_out_and_counted(biased, utterances, caplog):
    audio = [utterances[0].audio]
    recognize = biased.recognizer.recognize
    known = recognize(audio, [Hints(hotwords=("打开", "world"))])
    with caplog.at_level(logging.INFO):
        logging.disable(logging.NOTSET)
        mixed = recognize(audio, [Hints(hotwords=("打开", "secret", "world"))])
        again = recognize(audio, [Hints(hotwords=("打开", "secret", "world"))])
        nothing = recognize(audio, [Hints(hotwords=("secret",))])
    assert mixed == again == known
    assert nothing == recognize(audio, [NO_HINTS])
    assert [record.getMessage()[:18] for record in caplog.records] == [
        "1 of 3 hotwords ha", "1 of 1 hotwords ha",
    ]  # fmt: skip
    assert "secret" not in caplog.text


@pytest.fixture
def represented(biased, monkeypatch):
    """Every word that the network represents, from an empty cache on."""
    network, asked = biased.recognizer.network, []
    represent = network.represent
    monkeypatch.setattr(network, "represent", lambda words: asked.extend(words) or represent(words))
    cache = hotword_cache.HotwordCache(network, biased.recognizer.hotwords._speller)
    return cache, asked


def test_lists_are_forgotten_in_the_end_and_words_too(represented, monkeypatch):
    cache, asked = represented
    monkeypatch.setattr(hotword_cache, "MOST_WORDS", 100)
    lists = [tuple(first + second for second in CHARACTERS[:40]) for first in "七三上"]
    counts = []
    for words in (*lists, lists[2], lists[1], lists[0]):
        assert cache.find(words).shape == (41, seaco_folder.SIZE)
        counts.append(len(asked))
    assert counts[2] == counts[4] == 3 * 40 + 1
    assert counts[5] - counts[4] == 21  # of the first list all that had to go
    assert cache.find(()) is None


def test_a_word_is_represented_once_for_all_lists(biased, represented):
    cache, asked = represented
    service = FEW
    for own in (("七一",), ("七三", "一七"), ("七一", "一七")):
        words = (*own, *service)
        found = cache.find(words)
        spelled = [tuple(cache._speller.spell(word)) for word in words]
        network = biased.recognizer.network
        with torch.inference_mode():
            whole = type(network).represent(network, [*spelled, seaco.NO_HOTWORD])
        torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-5)
    assert len(asked) == len(set(asked)) == len(service) + 3 + 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_precision_warms_up_and_recognises(directory, utterances, dtype):
    models = loading.load_models(directory, device="cpu", dtype=dtype)
    models.warm_up(batch_size=4, audio_s=8.0)
    audio = [utterance.audio for utterance in utterances[:4]]
    found = models.recognizer.recognize(audio, [Hints(hotwords=MANY)] * 4)
    assert all(words.tokens and words.stamps for words in found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "cnn_blstm"])
@pytest.mark.parametrize("first_cnn", [True, False])
def test_plain_bicif_has_the_words_and_times_of_automodel(tmp_path, utterances, kind, first_cnn):
    conf = seaco_folder.CONFIG["predictor_conf"]
    conf = {**conf, "upsample_type": kind, "use_cif1_cnn": first_cnn}
    seaco_folder.write_folder(tmp_path / "asr", model="BiCifParaformer", predictor_conf=conf)
    shutil.copytree(loading.demo_directory() / "vad", tmp_path / "vad")
    models = loading.load_models(tmp_path, device="cpu", dtype="float32")
    audio = [utterance.audio for utterance in utterances[:8]]
    with stock.opened(asr={"model": str(tmp_path / "asr")}) as opened:
        for ours, samples in zip(models.recognizer.recognize(audio), audio, strict=True):
            assert_equal(ours, generate(opened.asr, samples), samples)


def test_times_that_are_no_numbers_are_an_error(directory, tmp_path, utterances):
    damaged = shutil.copytree(directory, tmp_path / "model")
    weights = torch.load(damaged / "asr" / "model.pt")
    weights["predictor.cif_output2.bias"] *= float("nan")
    torch.save(weights, damaged / "asr" / "model.pt")
    models = loading.load_models(damaged, device="cpu", dtype="float32")
    with pytest.raises(ModelError, match="model/asr gives NaN"):
        models.warm_up(2, 4.0)
    with pytest.raises(ArithmeticError, match="gave NaN"):
        models.recognizer.recognize([utterances[0].audio])


def change_part(part, **changes):
    def change(folder):
        path = folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        if part is None:
            config |= changes
        else:
            config[part] |= changes
        path.write_text(yaml.safe_dump(config))

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_part(None, predictor="CifPredictorV2"), "must be CifPredictorV3"),
        (change_part(None, model="Paraformer"), "must be CifPredictorV2"),
        (change_part(None, model="BiCifParaformer"), "unexpected key bias_encoder"),
        (change_part("predictor_conf", upsample_times=5), "upsample_times must be 3"),
        (change_part("predictor_conf", upsample_type="cnn_attn"), "cnn_attn.*upsample_type"),
        (change_part("model_conf", inner_dim=32), "inner_dim must be"),
        (change_part("model_conf", bias_encoder_type="mean"), "mean.*bias_encoder_type"),
        (change_part("model_conf", bias_encoder_bid=True), "lacks key .* and 9 more"),
        (change_part("seaco_decoder_conf", att_layer_num=4), "att_layer_num over 5"),
        (change_part("seaco_decoder_conf", use_output_layer=True), "use_output_layer"),
        (lambda f: (f / "seg_dict").write_bytes(b"\xff\xfe"), "seg_dict.*must be text"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_and_named(directory, tmp_path, change, says):
    damaged = shutil.copytree(directory, tmp_path / "model")
    change(damaged / "asr")
    with pytest.raises(ModelError, match=says) as error:
        loading.load_models(damaged, device="cpu", dtype="float32")
    assert str(damaged / "asr") in str(error.value)
