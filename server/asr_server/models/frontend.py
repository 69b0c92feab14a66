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

from asr_server.models import fbank, ragged, staging
from asr_server.models.errors import ModelError
from asr_server.speech.sounds import Bank, Sound

Audio = NDArray[np.int16]
Frames = NDArray[np.float32]  # of a filter bank that is kept, (frames, bins)


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
    """A padded batch of audio on the device: int16 (rows, samples) and the 10-ms frames per row.

    Where the `bank` of all rows is known, (rows, frames, bins), there are no samples.
    """

    samples: Tensor
    frames: tuple[int, ...]
    bank: Tensor | None = None


class Frontend:
    """The features that one model was trained on, computed on its device in float32.

    `keeps_banks`: filter banks are worth keeping, on the host, for models that need them again. On
    a GPU they are not: to compute them costs a few operations for a whole batch, to lay them out
    some for each row.
    """

    def __init__(self, config: FrontendConfig, cmvn: tuple[Tensor, Tensor], device: torch.device):
        self.config = config
        self.left = (config.lfr_m - 1) // 2  # frames that a step stacks before its own
        self.shift, self.scale = (values.to(device) for values in cmvn)
        self.device = device
        self.keeps_banks = device.type != "cuda"

    @property
    def step_ms(self) -> int:
        """From one feature vector to the next."""
        return self.config.frame_shift * self.config.lfr_n

    def load(self, audio: Sequence[Audio | Sound]) -> Waveforms:
        """Pad mono 16 kHz audio with zeros and copy it to the device; or its banks, if known."""
        frames = tuple(fbank.count_frames(len(row)) for row in audio)
        banks = [
            self.find_known(row.bank, 0, count) if isinstance(row, Sound) else []
            for row, count in zip(audio, frames, strict=True)
        ]
        if any(frames) and [sum(map(len, bank)) for bank in banks] == list(frames):
            return Waveforms(torch.empty(len(audio), 0), frames, ragged.lay_out(banks, frames))
        rows = [(row.audio if isinstance(row, Sound) else row,) for row in audio]
        return Waveforms(staging.put_rows(rows, self.device), frames)

    def find_known(self, bank: Bank | None, before: int, frames: int) -> list[Frames]:
        """Return what `Bank.cut` does; nothing of a bank of another kind."""
        if not self.keeps_banks or bank is None or not bank.parts:
            return []
        if bank.parts[0].shape[1] != self.config.n_mels:
            return []
        return bank.cut(before, frames)

    def count_steps(self, frames: int) -> int:
        """Return how many feature vectors so many 10-ms frames give."""
        return -(-frames // self.config.lfr_n)

    def features(self, waveforms: Waveforms) -> Tensor:
        """Compute features: float32 (rows, steps, n_mels * lfr_m).

        A step stacks `lfr_m` frames around frame `step * lfr_n`; the first and last frame of a row
        stand in for those outside of it (`apply_lfr` of FunASR 1.4.16). Rows without a frame give
        steps of no meaning.
        """
        bank = waveforms.bank
        if bank is None:
            bank = fbank.log_mel(waveforms.samples, self.config.n_mels)
        steps = self.count_steps(max(waveforms.frames))
        return self.stack(bank, waveforms.frames, [0] * len(waveforms.frames), steps)

    def fill_bank(self, waveforms: Waveforms, bank: Tensor, start: int, stop: int) -> None:
        """Compute the frames `start` to `stop` of the first rows, as many as `bank` has."""
        if stop > start:
            last_sample = (stop - 1) * fbank.SHIFT_SAMPLES + fbank.FRAME_SAMPLES
            part = waveforms.samples[: len(bank), start * fbank.SHIFT_SAMPLES : last_sample]
            bank[:, start:stop] = fbank.log_mel(part, self.config.n_mels)

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
        limits = staging.put_list([offsets, [count - 1 for count in frames]], self.device)
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
