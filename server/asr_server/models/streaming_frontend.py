"""Front end of audio that is still being spoken: the same features, as soon as they are complete.

A stream carries the last samples that later steps still need, and how many steps it has had. So the
features of a stream are those of the whole recording, wherever its audio was cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from asr_server.models import fbank
from asr_server.models.frontend import Audio, Frontend


@dataclass(frozen=True, slots=True)
class Carry:
    """What a stream keeps between two pieces: mono 16 kHz int16 samples, and the steps so far."""

    audio: Audio
    steps: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The audio of `steps` new steps; the first is around the 10-ms frame `offset` of it."""

    audio: Audio
    offset: int
    steps: int


START = Carry(np.zeros(0, dtype=np.int16), 0)


class StreamingFrontend:
    """Makes the features of many streams at once."""

    def __init__(self, front: Frontend):
        self.front = front

    def extend(self, carry: Carry, audio: Audio, *, last: bool) -> tuple[Carry, Stretch]:
        """Return what is kept after more audio, and the steps that it completes.

        At the end of a stream the last frame stands in for those that do not come.
        """
        every = self.front.config.lfr_n
        right = self.front.config.lfr_m - 1 - self.front.left
        samples = np.concatenate([carry.audio, audio])
        first = self._first_frame(carry.steps)
        frames = first + fbank.count_frames(len(samples))
        complete = -(-frames // every) if last else (frames - 1 - right) // every + 1
        steps = max(carry.steps, complete)
        rest = samples[(self._first_frame(steps) - first) * fbank.SHIFT_SAMPLES :].copy()
        offset = carry.steps * every - first
        return Carry(rest, steps), Stretch(samples, offset, steps - carry.steps)

    def count_samples(self, carry: Carry) -> int:
        """Return how long a stream is so far."""
        return self._first_frame(carry.steps) * fbank.SHIFT_SAMPLES + len(carry.audio)

    def features(self, stretches: Sequence[Stretch]) -> Tensor:
        """Compute the steps of each stretch: float32 (rows, most steps, n_mels * lfr_m).

        What comes beyond the steps of a row is unspecified.
        """
        front = self.front
        waveforms = front.load([stretch.audio for stretch in stretches])
        steps = max(stretch.steps for stretch in stretches)
        if max(waveforms.frames) == 0:
            width = front.config.n_mels * front.config.lfr_m
            return torch.zeros(len(stretches), steps, width, device=front.device)
        energies = fbank.log_mel(waveforms.samples, front.config.n_mels)
        offsets = [stretch.offset for stretch in stretches]
        return front.stack(energies, waveforms.frames, offsets, steps)

    def _first_frame(self, steps: int) -> int:
        """Return the first frame that the step after so many needs."""
        return max(0, steps * self.front.config.lfr_n - self.front.left)
