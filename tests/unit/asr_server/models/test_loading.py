import dataclasses
import json
import shutil

import pytest
import torch
import yaml

from asr_server.models import loading
from asr_server.models.errors import ModelError


@pytest.fixture
def directory(tmp_path):
    """A copy of the demo models without its manifest, to be damaged."""
    copied = shutil.copytree(loading.demo_directory(), tmp_path / "model")
    (copied / "manifest.json").unlink()
    return copied


def load(directory, *, device="cpu", dtype="float32"):
    return loading.load_models(directory, device=device, dtype=dtype)


def set_config(**changes):
    """Return a change of one folder's config.yaml; a mapping changes a section."""

    def change(folder):
        path = folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(config))

    return change


def set_weights(edit):
    def change(folder):
        weights = torch.load(folder / "model.pt", weights_only=True)
        torch.save(edit(weights), folder / "model.pt")

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


class Code:
    """An object that only a real pickle can restore."""


BIAS = "encoder.after_norm.bias"


@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        ("vad", shutil.rmtree, "vad/config.yaml is missing"),
        ("asr", remove("config.yaml"), "asr/config.yaml is missing"),
        ("asr", remove("model.pt"), "asr/model.pt is missing"),
        ("asr", remove("tokens.json"), "asr/tokens.json is missing"),
        ("vad", remove("am.mvn"), "vad/am.mvn is missing"),
        ("asr", write("config.yaml", "a: [1"), "asr/config.yaml is not YAML"),
        ("asr", write("config.yaml", "- 1"), "must be a mapping"),
        ("asr", write("tokens.json", "{}"), "must be a JSON list of symbols"),
        ("asr", write("am.mvn", "<Nnet>"), "am.mvn: no <AddShift> vector"),
        ("asr", set_config(trust_remote_code=True), "sets trust_remote_code"),
        ("punc", set_config(remote_code="./model.py"), "sets remote_code"),
        ("asr", set_config(model="Conformer"), "is Conformer; .* supports Paraformer, .*Sense"),
        ("asr", set_config(encoder="ConformerEncoder"), "ConformerEncoder.*encoder"),
        ("asr", set_config(encoder_conf={"attention_heads": "four"}), "attention_heads"),
        ("asr", set_config(encoder_conf={"input_layer": "conv2d"}), "input_layer"),
        ("asr", set_config(encoder_conf={"normalize_before": False}), "normalize_before"),
        ("asr", set_config(decoder_conf={"normalize_before": False}), "normalize_before"),
        ("asr", set_config(predictor_conf={"threshold": 0.9}), "threshold must be 1"),
        ("asr", set_config(frontend_conf={"fs": 8000}), "fs"),
        ("vad", set_config(model_conf={"detect_mode": 0}), "detect_mode"),
        ("vad", set_config(model_conf={"decibel_thres": 0}), "decibel_thres must be -100"),
        ("vad", set_config(frontend_conf={"lfr_n": 2}), "lfr_n must be 1"),
        ("asr_online", set_config(model="Paraformer"), "this server supports ParaformerStreaming"),
        ("asr_online", remove("tokens.json"), "asr_online/tokens.json is missing"),
        ("asr_online", set_config(decoder_conf={"sanm_shfit": 0}), "decoder only looks back"),
        ("asr_online", set_config(frontend_conf={"lfr_n": 5}), "lfr_n must be 6"),
        ("asr", set_config(frontend_conf={"lfr_m": 5}), "lfr_n must not be above lfr_m"),
        ("punc", write("jieba_usr_dict", "词"), "jieba_usr_dict"),
        ("punc", write("tokens.json", '["a"]'), "has no <unk>"),
        (
            "asr",
            set_weights(lambda w: {k: v for k, v in w.items() if k != BIAS}),
            f"lacks .*{BIAS}",
        ),
        ("asr", set_weights(lambda w: {**w, "new.bias": w[BIAS]}), "unexpected key new.bias"),
        ("asr", set_weights(lambda w: {**w, BIAS: w[BIAS][:5]}), rf"{BIAS} has shape \(5,\)"),
        ("asr", set_weights(lambda w: {}), "and .* more"),
        ("asr", set_weights(lambda w: [1]), "holds no state_dict"),
        ("asr", set_weights(lambda w: Code()), "not a plain torch checkpoint"),
        ("asr", write("model.pt", "text"), "not a plain torch checkpoint"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_named(directory, part, change, says):
    change(directory / part)
    with pytest.raises(ModelError, match=says) as error:
        load(directory)
    assert str(directory / part) in str(error.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dtype": "int8"}, "use one of float32, float16, bfloat16"),
        ({"device": "abacus"}, "unknown device abacus"),
        ({"device": "cuda"}, "no CUDA device is available"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(monkeypatch, settings, says):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match=says):
        load(loading.demo_directory(), **settings)


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is not a directory"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (write("asr/am.mvn", "changed"), "am.mvn has sha256"),
        (remove("vad/model.pt"), "model.pt is missing but listed"),
        (write("punc/jieba_usr_dict", "词"), "jieba_usr_dict is not listed"),
        (write("manifest.json", json.dumps({"files": {"a": 1}})), "manifest.json: Expected"),
    ],
)
def test_files_are_compared_with_the_manifest(tmp_path, change, says):
    directory = shutil.copytree(loading.demo_directory(), tmp_path / "model")
    load(directory)
    change(directory)
    with pytest.raises(ModelError, match=says):
        load(directory)


def test_punctuation_may_be_absent(directory):
    shutil.rmtree(directory / "punc")
    assert load(directory).punctuation is None


@pytest.mark.parametrize(
    "edit",
    [
        lambda w: {"state_dict": w, "epoch": 3},
        lambda w: {"module." + key: value for key, value in w.items()},
        lambda w: {k: v for k, v in w.items() if not k.startswith("decoder.embed")},
        lambda w: {**w, "ctc.ctc_lo.bias": w[BIAS]},
    ],
)
def test_checkpoints_as_training_leaves_them_are_loaded(directory, edit):
    set_weights(edit)(directory / "asr")
    assert load(directory).name == "model"


def test_streaming_recognition_may_be_absent(directory):
    shutil.rmtree(directory / "asr_online")
    assert load(directory).streaming_recognizer is None


@pytest.mark.parametrize("part", ["asr", "asr_online", "vad", "punc"])
def test_warming_up_finds_scores_that_are_no_numbers(directory, part):
    set_weights(lambda w: {**w, list(w)[-1]: list(w.values())[-1] * float("nan")})(directory / part)
    models = load(directory)
    with pytest.raises(ModelError, match=f"model/{part} gives NaN"):
        models.warm_up(2, 4.0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_what_cannot_be_recorded_is_told_and_the_server_starts(monkeypatch, caplog, error):
    def fail():
        raise error

    synchronized = []
    monkeypatch.setattr(loading.cuda_graph, "CudaRecorder", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: synchronized.append(1))
    models = dataclasses.replace(load(loading.demo_directory()), device="cuda")
    models.warm_up(1, 1.0)
    assert f"short batches are launched kernel by kernel: {error}" in caplog.messages
    assert synchronized


def test_a_device_that_is_lost_while_short_batches_are_recorded_is_no_start(monkeypatch):
    def fail():
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(loading.cuda_graph, "CudaRecorder", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    models = dataclasses.replace(load(loading.demo_directory()), device="cuda")
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        models.warm_up(1, 1.0)


def test_the_demo_models_say_what_they_are():
    models = load(loading.demo_directory(), dtype="bfloat16")
    assert (models.name, models.device, models.dtype) == ("demo", "cpu", "bfloat16")
