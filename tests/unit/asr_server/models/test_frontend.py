import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.models import fbank, frontend
from asr_server.models.errors import ModelError
from asr_server.speech import sounds
from asr_server.speech.spans import Span

CPU = torch.device("cpu")
STACKS = [(7, 6), (5, 1), (1, 1)]


def make_frontend(stacked, step):
    width = 80 * stacked
    cmvn = torch.linspace(-1, 1, width), torch.linspace(0.5, 2, width)
    config = frontend.FrontendConfig(lfr_m=stacked, lfr_n=step)
    return frontend.Frontend(config, cmvn, CPU)


def plain_features(front, samples):
    """Stack and normalise one row as the definition says, step by step."""
    energies = fbank.log_mel(torch.from_numpy(samples)[None], 80)[0]
    stacked, step = front.config.lfr_m, front.config.lfr_n
    rows = []
    for centre in range(0, len(energies), step):
        around = range(centre - (stacked - 1) // 2, centre - (stacked - 1) // 2 + stacked)
        picked = [energies[min(max(frame, 0), len(energies) - 1)] for frame in around]
        rows.append((torch.cat(picked) + front.shift) * front.scale)
    return torch.stack(rows) if rows else torch.zeros(0, 80 * stacked)


def make_audio(lengths):
    noise = np.random.default_rng(len(lengths))
    return [noise.integers(-3000, 3000, length).astype(np.int16) for length in lengths]


@pytest.mark.parametrize(("stacked", "step"), STACKS)
@settings(max_examples=25)
@given(lengths=st.lists(st.integers(0, 6000), min_size=1, max_size=5))
def test_rows_of_a_batch_equal_the_plain_definition(stacked, step, lengths):
    front = make_frontend(stacked, step)
    audio = make_audio([*lengths, 800])
    waveforms = front.load(audio)
    features = front.features(waveforms)
    for row, samples, frames in zip(features, audio, waveforms.frames, strict=True):
        expected = plain_features(front, samples)
        assert len(expected) == front.count_steps(frames)
        torch.testing.assert_close(row[: len(expected)], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("stacked", "step"), STACKS)
@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_features_of_a_bank_that_was_filled_in_chunks_are_those_of_the_audio(stacked, step, chunk):
    front = make_frontend(stacked, step)
    audio = make_audio([16000, 9000])
    waveforms = front.load(audio)
    bank = torch.full((2, waveforms.frames[0], 80), torch.nan)
    for start in range(0, waveforms.frames[0], chunk):
        front.fill_bank(waveforms, bank, start, min(start + chunk, waveforms.frames[0]))
    heard = [
        sounds.Sound(row, sounds.Bank([own])) for row, own in zip(audio, bank.numpy(), strict=True)
    ]
    shared = front.load(heard)
    assert shared.frames == waveforms.frames
    for row, expected, frames in zip(
        front.features(shared), front.features(waveforms), waveforms.frames, strict=True
    ):
        steps = front.count_steps(frames)
        torch.testing.assert_close(row[:steps], expected[:steps], atol=1e-4, rtol=0)


def test_a_part_of_a_recording_has_the_features_of_its_own_samples():
    front = make_frontend(7, 6)
    (audio,) = make_audio([32000])
    waveforms = front.load([audio])
    bank = torch.empty(1, waveforms.frames[0], 80)
    front.fill_bank(waveforms, bank, 0, waveforms.frames[0])
    span = Span(510, 1330)
    part = audio[span.start_ms * 16 : span.end_ms * 16]
    shared = front.load([sounds.Detected([span], bank[0].numpy()).sound(span, part)])
    assert shared.bank is not None
    torch.testing.assert_close(
        front.features(shared), front.features(front.load([part])), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    "other",
    [None, [], [np.zeros((100, 40), np.float32)], [np.zeros((97, 80), np.float32)]],
    ids=["none", "empty", "of another width", "too short"],
)
def test_a_batch_in_which_not_every_bank_fits_is_computed_from_audio(other):
    front = make_frontend(7, 6)
    audio = make_audio([16000, 16000])
    heard = [
        sounds.Sound(audio[0], None if other is None else sounds.Bank(other)),
        sounds.Sound(audio[1], sounds.Bank([np.zeros((98, 80), np.float32)])),
    ]
    torch.testing.assert_close(
        front.features(front.load(heard)), front.features(front.load(audio)), atol=0, rtol=0
    )


def test_where_no_banks_are_kept_everything_is_computed_from_audio():
    front = make_frontend(7, 6)
    front.keeps_banks = False
    (audio,) = make_audio([16000])
    heard = sounds.Sound(audio, sounds.Bank([np.zeros((98, 80), np.float32)]))
    loaded = front.load([heard])
    assert loaded.bank is None
    assert torch.equal(front.features(loaded), front.features(front.load([audio])))


def test_cmvn_is_read_from_a_kaldi_nnet(tmp_path):
    path = tmp_path / "am.mvn"
    path.write_text(
        "<Nnet>\n<Splice> 2 2\n[ 0 ]\n<AddShift> 2 2\n<LearnRateCoef> 0 [ -1.5 2 ]\n"
        "<Rescale> 2 2\n<LearnRateCoef> 0 [ 0.5 3e-1 ]\n</Nnet>\n"
    )
    shift, scale = frontend.read_cmvn(path, 2)
    assert shift.tolist() == [-1.5, 2.0]
    assert scale.tolist() == pytest.approx([0.5, 0.3])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no <AddShift> vector"),
        ("<AddShift> 2 2 <LearnRateCoef> 0 [ 1 2 ]", "no <Rescale> vector"),
        ("<AddShift> 2 2 <LearnRateCoef> 0 [ 1 x ]", "no <AddShift> vector"),
        ("<AddShift> 3 3 <LearnRateCoef> 0 [ 1 2 3 ]", "has 3 values and the front end 2"),
    ],
)
def test_bad_cmvn_is_refused(tmp_path, text, says):
    path = tmp_path / "am.mvn"
    path.write_text(text)
    with pytest.raises(ModelError, match=says) as error:
        frontend.read_cmvn(path, 2)
    assert str(path) in str(error.value)
