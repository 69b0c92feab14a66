"""Short batches that are padded to a recorded shape give what they give as they are.

What records here does the work again whenever it is launched, on the places given, as a CUDA graph
does; `make gpu` compares the graphs themselves.
"""

import shutil
import weakref
from concurrent import futures
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from asr_server.models import loading, recognizer, short_batches
from asr_server.speech.hints import Hints
from asr_server.speech.words import Words
from tests.component.asr_server.models import seaco_folder

RATE_HZ = 16000


@dataclass
class Recorder:
    """Notes the shape of the first input of each launch, and how many there were at a time."""

    launched: list[tuple[int, ...]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    def __call__(self, work, *inputs):
        def launch():
            self.launched.append(tuple(inputs[0].shape))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            outputs = [output.clone() for output in work(*inputs)]
            self.under_way -= 1
            return outputs

        return launch


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def recorded(models, recorder):
    """The demo recogniser with short batches of its own."""
    plain = models.recognizer
    made = recognizer.Recognizer(plain.front, plain.network, plain.symbols)
    assert made.record_short_batches(recorder) == 39
    return made


def cut(utterance, seconds):
    return np.resize(utterance.audio, int(seconds * RATE_HZ))


@pytest.mark.parametrize(
    ("seconds", "shape"),
    [
        ([0.9], (1, 16)),
        ([1.5], (1, 32)),
        ([2.9, 1.0, 0.0], (4, 48)),
        ([3.0] * 9, (16, 64)),
        ([0.7] * 32, (32, 16)),
        ([10.0] * 4, (4, 168)),
    ],
)
def test_a_padded_batch_gives_the_words_and_times_of_the_batch(
    models, recorded, recorder, utterances, seconds, shape
):
    audio = [cut(*pair) for pair in zip(utterances, seconds, strict=False)]
    assert recorded.recognize(audio) == models.recognizer.recognize(audio)
    assert {launched[:2] for launched in recorder.launched} == {shape}
    assert len(recorder.launched) == 2


def test_what_a_larger_batch_left_behind_changes_nothing(models, recorded, utterances):
    recorded.recognize([cut(each, 3.8) for each in utterances[:16]])
    for audio in ([cut(utterances[20], 3.2)], [cut(utterances[21], 0.9), cut(utterances[22], 3)]):
        assert recorded.recognize(audio) == models.recognizer.recognize(audio)


@pytest.mark.parametrize("value", [3e38, float("nan")])
def test_what_overflowed_does_not_reach_the_batches_after_it(recorded, recorder, value):
    """A shorter row lies where a longer one lay, and what is left of that is its padding."""
    short = short_batches.ShortBatches(recorded.network, 560, recorder)
    features = torch.randn(2, 50, 560)
    with torch.inference_mode():
        _, spoiled = short.encode(torch.full((2, 60, 560), value), [60, 60])
        hidden, sums = short.encode(features, [50, 40])
        wanted = recorded.network.encode(features, [50, 40])[1][:, -1]
    assert spoiled.isnan().any()
    assert hidden.isfinite().all()
    assert torch.allclose(sums[:, -1], wanted, atol=1e-3)


@pytest.mark.parametrize("part", ["encoder.after_norm", "decoder.output_layer"])
def test_what_is_no_number_is_an_error_of_a_padded_batch_too(recorder, utterances, part):
    demo = loading.load_models(loading.demo_directory(), device="cpu", dtype="float32").recognizer
    demo.record_short_batches(recorder)
    audio = [cut(each, 2.0) for each in utterances[:3]]
    demo.recognize(audio)
    with torch.no_grad():
        demo.network.get_submodule(part).bias[0] = float("nan")
    with pytest.raises(ArithmeticError, match="gave NaN"):
        demo.recognize(audio)
    assert {launched[:2] for launched in recorder.launched} == {(4, 48)}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_the_words_of_the_batch(recorder, utterances, dtype):
    plain, padded = (
        loading.load_models(loading.demo_directory(), device="cpu", dtype=dtype).recognizer
        for _ in "ab"
    )
    padded.record_short_batches(recorder)
    audio = [cut(each, 2.3) for each in utterances[:3]]
    found, wanted = ([each.tokens for each in by.recognize(audio)] for by in (padded, plain))
    assert found == wanted
    assert len(recorder.launched) == 2


def test_two_threads_do_not_disturb_each_other(models, recorded, recorder, utterances):
    audio = [[cut(each, 2.0 + 0.4 * (place % 3))] for place, each in enumerate(utterances[:12])]
    with futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(recorded.recognize, audio))
    assert found == [models.recognizer.recognize(each) for each in audio]
    assert recorder.most == 1


@pytest.mark.parametrize("seconds", [[2.0] * 33, [10.5], [6.0] * 12])
def test_a_batch_that_fits_no_shape_is_computed_as_it_is(
    models, recorded, recorder, utterances, seconds
):
    audio = [cut(*pair) for pair in zip(utterances, seconds, strict=False)]
    assert recorded.recognize(audio) == models.recognizer.recognize(audio)
    assert not recorder.launched


def test_more_tokens_than_people_say_are_decoded_as_they_are(recorded, recorder):
    short = short_batches.ShortBatches(recorded.network, 560, recorder)
    features = torch.randn(1, 16, 560)
    with torch.inference_mode():
        hidden, sums = short.encode(features, [16])
        assert short.choose(hidden, sums, [16], [8]).shape == (1, 8)
        assert short.choose(hidden, sums, [16], [9]) is None


def test_a_table_of_positions_that_is_replaced_stays_for_what_was_recorded(recorded, utterances):
    read = weakref.ref(recorded.network.encoder.positions)
    recorded.recognize([cut(utterances[0], 30.0)])
    assert recorded.network.encoder.positions is not read()
    assert read() is not None


def test_hotwords_and_their_times_are_those_of_the_batch(tmp_path, recorder, utterances):
    seaco_folder.write_folder(tmp_path / "asr")
    shutil.copytree(loading.demo_directory() / "vad", tmp_path / "vad")
    plain, padded = (
        loading.load_models(tmp_path, device="cpu", dtype="float32").recognizer for _ in "ab"
    )
    padded.record_short_batches(recorder)
    audio = [cut(each, 2.3) for each in utterances[:3]]
    hints = [Hints(), Hints(hotwords=("打开", "hello")), Hints()]
    wanted = plain.recognize(audio, hints)
    assert padded.recognize(audio, hints) == wanted != [Words()] * 3
    assert recorder.launched
