"""Log-mel filter banks of a padded batch, equal to Kaldi's: frames in, no state, no normalisation.

Kaldi's `compute-fbank-feats` with hamming window, pre-emphasis 0.97, DC removal, power spectrum,
no dither, no energy and whole frames only (snip_edges). All of it is float32 on every device:
the log of a half-precision power spectrum would lose the quiet parts of speech.
"""

import functools
import math

import torch
from torch import Tensor

SAMPLE_RATE_HZ = 16000
FRAME_SAMPLES = 400
SHIFT_SAMPLES = 160
SHIFT_MS = 10

_FFT_SAMPLES = 512
_LOW_HZ = 20.0
_PRE_EMPHASIS = 0.97
_CPU_BLOCK_FRAMES = 512  # the spectra of one block fit into a core's cache
_CUDA_BLOCK_FRAMES = 1 << 16


def count_frames(samples: int) -> int:
    """Return how many whole 25-ms frames, 10 ms apart, fit into so many samples."""
    return max(0, 1 + (samples - FRAME_SAMPLES) // SHIFT_SAMPLES)


def log_mel(waveforms: Tensor, bins: int) -> Tensor:
    """Compute log-mel energies; parity with kaldi-native-fbank 1.23 is 5e-4.

    `waveforms`: (rows, samples), any numeric type, full scale 32768. Returns float32
    (rows, frames, bins). Long inputs are done in blocks of time, so that memory stays bounded.
    """
    rows, samples = waveforms.shape
    frames = count_frames(samples)
    energies = torch.empty(rows, frames, bins, device=waveforms.device)
    limit = _CUDA_BLOCK_FRAMES if waveforms.is_cuda else _CPU_BLOCK_FRAMES
    block = max(1, limit // max(1, rows))
    for start in range(0, frames, block):
        stop = min(start + block, frames)
        last_sample = (stop - 1) * SHIFT_SAMPLES + FRAME_SAMPLES
        part = waveforms[:, start * SHIFT_SAMPLES : last_sample].float()
        energies[:, start:stop] = _log_mel_block(part, bins)
    return energies


def _log_mel_block(samples: Tensor, bins: int) -> Tensor:
    window, banks = _constants(bins, samples.device)
    framed = samples.unfold(1, FRAME_SAMPLES, SHIFT_SAMPLES)
    centred = framed - framed.mean(dim=-1, keepdim=True)
    emphasised = torch.empty_like(centred)
    torch.sub(centred[..., 1:], centred[..., :-1], alpha=_PRE_EMPHASIS, out=emphasised[..., 1:])
    torch.mul(centred[..., :1], 1 - _PRE_EMPHASIS, out=emphasised[..., :1])
    spectrum = torch.fft.rfft(emphasised.mul_(window), n=_FFT_SAMPLES)
    squares = torch.view_as_real(spectrum).square_()
    power = squares[..., 0] + squares[..., 1]
    return (power @ banks).clamp_(min=torch.finfo(torch.float32).eps).log_()


@functools.cache
def _constants(bins: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the hamming window and the (spectrum, bins) triangular filters on a device."""
    window = torch.hamming_window(FRAME_SAMPLES, periodic=False, dtype=torch.float64)
    edges = torch.linspace(_mel(_LOW_HZ), _mel(SAMPLE_RATE_HZ / 2), bins + 2, dtype=torch.float64)
    hertz = torch.arange(_FFT_SAMPLES // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / _FFT_SAMPLES
    mels = 1127.0 * (1 + hertz / 700.0).log()
    rise = (mels[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mels[:, None]) / (edges[2:] - edges[1:-1])
    banks = torch.minimum(rise, fall).clamp(min=0)
    banks[-1] = 0  # Kaldi leaves the Nyquist bin out
    return window.float().to(device), banks.float().to(device)


def _mel(hertz: float) -> float:
    return 1127.0 * math.log(1 + hertz / 700.0)
