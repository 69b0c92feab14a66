"""Front end: int16 audio to features, batched. Stacked log-mel frames (LFR), then CMVN of am.mvn.

It pads, and says how many frames of each row are real; what is in padded frames is unspecified,
so every consumer masks them. It holds no state between calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_server.models import fbank
from asr_server.models.errors import ModelError

Audio = NDArray[np.int16]


class FrontendConfig(msgspec.Struct, frozen=True):
    """`frontend_conf` of a FunASR config.yaml; dither is always off: answers are reproducible."""

    fs: Literal[16000] = 16000
    window: Literal["hamming"] = "hamming"
    n_mels: int = 80
    frame_length: Literal[25] = 25
    frame_shift: Literal[10] = 10
    lfr_m: int = 1
    lfr_n: int = 1

    def __post_init__(self) -> None:
        if self.lfr_n > self.lfr_m:
            raise ValueError("lfr_n must not be above lfr_m")


@dataclass(frozen=True, slots=True)
class Waveforms:
    """A padded batch of audio on the device: int16 (rows, samples) and the 10-ms frames per row."""

    samples: Tensor
    frames: tuple[int, ...]

    def first(self, rows: int) -> "Waveforms":
        """Return the first rows, without the padding that none of them needs."""
        frames = self.frames[:rows]
        return Waveforms(self.samples[:rows, : _end_sample(max(frames))], frames)


class Frontend:
    """The features that one model was trained on, computed on its device in float32."""

    def __init__(self, config: FrontendConfig, cmvn: tuple[Tensor, Tensor], device: torch.device):
        self.config = config
        self.left = (config.lfr_m - 1) // 2  # frames that a step stacks before its own
        self.shift, self.scale = (values.to(device) for values in cmvn)
        self.device = device

    @property
    def step_ms(self) -> int:
        """From one feature vector to the next."""
        return self.config.frame_shift * self.config.lfr_n

    def load(self, audio: Sequence[Audio]) -> Waveforms:
        """Pad mono 16 kHz audio with zeros and copy it to the device."""
        longest = max((len(row) for row in audio), default=0)
        padded = np.zeros((len(audio), longest), dtype=np.int16)
        for row, samples in zip(padded, audio, strict=True):
            row[: len(samples)] = samples
        frames = tuple(fbank.count_frames(len(row)) for row in audio)
        return Waveforms(torch.from_numpy(padded).to(self.device), frames)

    def count_steps(self, frames: int) -> int:
        """Return how many feature vectors so many 10-ms frames give."""
        return -(-frames // self.config.lfr_n)

    def features(self, waveforms: Waveforms, start: int = 0, stop: int | None = None) -> Tensor:
        """Compute features of the steps `start` to `stop`: float32 (rows, steps, n_mels * lfr_m).

        A step stacks `lfr_m` frames around frame `step * lfr_n`; the first and last frame of a row
        stand in for those outside of it (`apply_lfr` of FunASR 1.4.16). Rows without a frame give
        steps of no meaning.
        """
        config = self.config
        end = self.count_steps(max(waveforms.frames)) if stop is None else stop
        first = max(0, start * config.lfr_n - self.left)
        last = min(max(waveforms.frames), (end - 1) * config.lfr_n - self.left + config.lfr_m)
        part = waveforms.samples[:, first * fbank.SHIFT_SAMPLES : _end_sample(last)]
        energies = fbank.log_mel(part, config.n_mels)
        offset = start * config.lfr_n - first
        frames = [count - first for count in waveforms.frames]
        return self.stack(energies, frames, [offset] * len(frames), end - start)

    def stack(
        self, energies: Tensor, frames: Sequence[int], offsets: Sequence[int], steps: int
    ) -> Tensor:
        """Stack and normalise the log-mel frames around `steps` steps of each row.

        `energies` is (rows, frames, n_mels); a row has `frames` of its own, and the first step is
        around its frame `offset`. Returns float32 (rows, steps, n_mels * lfr_m).
        """
        config = self.config
        rows, width, bins = energies.shape
        centre = torch.arange(steps, device=self.device) * config.lfr_n
        around = torch.arange(config.lfr_m, device=self.device) - self.left
        wanted = (centre[:, None] + around).flatten()
        limits = torch.tensor([offsets, [count - 1 for count in frames]], device=self.device)
        index = torch.minimum(wanted + limits[0][:, None], limits[1][:, None]).clamp_(min=0)
        index += torch.arange(rows, device=self.device)[:, None] * width
        picked = energies.view(rows * width, bins).index_select(0, index.flatten())
        stacked = picked.view(rows, steps, config.lfr_m * bins)
        return stacked.add_(self.shift).mul_(self.scale)


def open_frontend(cmvn_path: Path, config: FrontendConfig, device: torch.device) -> Frontend:
    """Make the front end of a model folder; ModelError when am.mvn does not fit."""
    return Frontend(config, read_cmvn(cmvn_path, config.n_mels * config.lfr_m), device)


def read_cmvn(path: Path, width: int) -> tuple[Tensor, Tensor]:
    """Read the shift and scale vectors of a Kaldi nnet file (`am.mvn`), float32 (width) each.

    Raises ModelError when either is absent or of another width.
    """
    words = path.read_text(encoding="utf-8", errors="replace").split()
    found = []
    for mark in ("<AddShift>", "<Rescale>"):
        try:
            opening = words.index("[", words.index("<LearnRateCoef>", words.index(mark)))
            values = [float(word) for word in words[opening + 1 : words.index("]", opening)]]
        except ValueError as error:
            raise ModelError(f"{path}: no {mark} vector; give the am.mvn of the model") from error
        if len(values) != width:
            raise ModelError(
                f"{path}: {mark} has {len(values)} values and the front end {width} "
                "(n_mels * lfr_m in config.yaml); give the am.mvn of the same model"
            )
        found.append(torch.tensor(values, dtype=torch.float32))
    return found[0], found[1]


def _end_sample(frame: int) -> int:
    return (frame - 1) * fbank.SHIFT_SAMPLES + fbank.FRAME_SAMPLES
