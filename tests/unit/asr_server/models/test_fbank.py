import kaldi_native_fbank
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.models import fbank


def kaldi_log_mel(samples):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = 80
    options.energy_floor = 0.0
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(16000, samples.astype(np.float32))
    computer.input_finished()
    frames = [computer.get_frame(i) for i in range(computer.num_frames_ready)]
    return np.stack(frames) if frames else np.zeros((0, 80), np.float32)


def assert_same(ours, theirs):
    """Compare to 5e-4; to 5e-3 in bins 70 dB below their frame's peak: float32 ends there."""
    assert ours.shape == theirs.shape
    if len(ours):
        is_faint = theirs < theirs.max(axis=1, keepdims=True) - 16
        np.testing.assert_array_less(np.abs(ours - theirs), np.where(is_faint, 5e-3, 5e-4))


def our_log_mel(samples):
    return fbank.log_mel(torch.from_numpy(samples)[None], 80)[0].numpy()


@settings(max_examples=30)
@given(
    samples=st.integers(0, 20_000),
    amplitude=st.sampled_from([0, 1, 30, 3000, 32767]),
    seed=st.integers(0, 1000),
)
def test_log_mel_equals_kaldi(samples, amplitude, seed):
    noise = np.random.default_rng(seed)
    audio = noise.integers(-amplitude, amplitude + 1, samples).astype(np.int16)
    assert_same(our_log_mel(audio), kaldi_log_mel(audio))


def test_log_mel_of_speech_equals_kaldi(utterances):
    for utterance in utterances[::10]:
        assert_same(our_log_mel(utterance.audio), kaldi_log_mel(utterance.audio))


def test_long_audio_in_blocks_equals_kaldi():
    audio = np.random.default_rng(1).integers(-9000, 9000, 16000 * 60).astype(np.int16)
    assert_same(our_log_mel(audio), kaldi_log_mel(audio))


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)]
)
def test_only_whole_frames_count(samples, frames):
    assert fbank.count_frames(samples) == frames
    assert fbank.log_mel(torch.zeros(3, samples), 80).shape == (3, frames, 80)
