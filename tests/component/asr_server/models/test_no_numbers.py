"""NaN is an error that names the model, whichever it is, and fails nobody else."""

import shutil

import numpy as np
import pytest
import torch

from asr_server.engine import recovery, torch_device
from asr_server.models import loading
from asr_server.speech.pieces import Piece

SCORES = {"vad": "encoder.out_linear2.linear.bias", "punc": "decoder.bias"}
USES = {
    "vad": lambda models, audio: models.vad.hear(audio),
    "vad of a stream": lambda models, audio: models.streaming_vad.advance(
        [Piece(models.streaming_vad.start(), row) for row in audio]
    ),
    "asr": lambda models, audio: models.recognizer.recognize(audio),
    "asr_online": lambda models, audio: models.streaming_recognizer.advance(
        [Piece(models.streaming_recognizer.start((5, 10, 5)), row, last=True) for row in audio]
    ),
    "punc": lambda models, audio: models.punctuation.punctuate([["一", "二"] for _ in audio]),
}


def load(folder, change=lambda weights: None, part="vad", dtype="float32"):
    """Return the demo models, the weights of one of them changed."""
    copied = shutil.copytree(loading.demo_directory(), folder / "model")
    (copied / "manifest.json").unlink()
    path = copied / part / "model.pt"
    weights = torch.load(path, weights_only=True)
    change(weights)
    torch.save(weights, path)
    return loading.load_models(copied, device="cpu", dtype=dtype)


@pytest.mark.parametrize(("name", "use"), USES.items(), ids=USES)
def test_scores_that_are_no_numbers_are_an_error_and_no_answer(
    tmp_path, models, utterances, name, use
):
    part, audio = name.split()[0], [each.audio for each in utterances[:3]]
    use(models, audio)

    def spoil(weights):
        weights[SCORES.get(part, "decoder.output_layer.bias")] *= float("nan")

    with pytest.raises(ArithmeticError, match="gave NaN; use float32 or bfloat16"):
        use(load(tmp_path, spoil, part), audio)


@pytest.mark.parametrize("name", ["vad", "vad of a stream"])
def test_what_overflows_the_detector_fails_alone(tmp_path, utterances, name):
    """In float16 the first layer comes to infinity on digital silence, and only on that."""
    noise = np.random.default_rng(0)
    spoken = [(each.audio + noise.integers(-90, 90, len(each.audio))) for each in utterances[:3]]
    spoken = [np.clip(row, -32768, 32767).astype(np.int16) for row in spoken]

    def fill(weights):
        for key in ("weight", "bias"):
            weights[f"encoder.in_linear1.linear.{key}"] *= 65_504 / 27
        weights["encoder.in_linear2.linear.weight"] /= 65_504 / 27

    models = load(tmp_path, fill, dtype="float16")
    device, use = torch_device.TorchDevice("cpu", 1), USES[name]
    batch = [*spoken[:2], np.zeros(16_000, dtype=np.int16), spoken[2]]
    outcomes = recovery.run_batch(lambda rows: use(models, rows), batch, device, lambda _: None)
    failed = [isinstance(each, recovery.Poison) for each in outcomes]
    assert failed == [False, False, True, False]
    assert outcomes[2].reason == (
        "ArithmeticError: the voice activity detector gave NaN; use float32 or bfloat16"
    )
