"""Front end of audio that is still being spoken: the same features, as soon as they are complete.

A stream carries the last samples that later steps still need, and how many steps it has had. So the
features of a stream are those of the whole recording, wherever its audio was cut. Frames of the
filter bank that are known, from before or from another model, are not computed again.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor

from asr_server.models import fbank, ragged, staging
from asr_server.models.frontend import Audio, Frames, Frontend
from asr_server.speech.sounds import Bank


class Carry(msgspec.Struct, frozen=True):
    """What a stream keeps between two pieces: mono 16 kHz int16 samples, and the steps so far.

    `known` are the first frames of these samples, (frames, bins), in parts.
    """

    audio: Audio
    steps: int
    known: Sequence[Frames] = ()


class Stretch(msgspec.Struct, frozen=True):
    """The audio of `steps` new steps; the first is around the 10-ms frame `offset` of it.

    It has so many `frames`, of which the first `known_frames` are `known`, in parts. The audio is
    what was carried, and what is new.
    """

    audio: tuple[Audio, Audio]
    offset: int
    steps: int
    frames: int
    known: Sequence[Frames]
    known_frames: int


START = Carry(np.zeros(0, dtype=np.int16), 0)


class StreamingFrontend:
    """Makes the features of many streams at once."""

    def __init__(self, front: Frontend):
        self.front = front
        self._every = front.config.lfr_n
        self._left = front.left
        self._right = front.config.lfr_m - 1 - front.left

    def extend(
        self, carry: Carry, audio: Audio, *, last: bool, bank: Bank | None = None
    ) -> tuple[Carry, Stretch]:
        """Return what is kept after more audio, and the steps that it completes.

        At the end of a stream the last frame stands in for those that do not come. Where the audio
        completes steps, nothing is known of what is kept.
        """
        every, before, old = self._every, carry.steps, carry.audio
        first = self._first_frame(before)
        fresh = fbank.count_frames(len(old) + len(audio))
        frames = first + fresh
        complete = -(-frames // every) if last else (frames - 1 - self._right) // every + 1
        steps = max(before, complete)
        skipped = (self._first_frame(steps) - first) * fbank.SHIFT_SAMPLES
        if skipped >= len(old):
            rest = audio[skipped - len(old) :].copy()
        else:
            rest = np.concatenate((old[skipped:], audio))
        known = carry.known
        if bank is not None:
            kept, odd = divmod(len(old), fbank.SHIFT_SAMPLES)
            known = known if odd else self.front.find_known(bank, kept, fresh)
        carried = Carry(rest, steps, carry.known if steps == before else ())
        known_frames = sum(map(len, known)) if known else 0
        stretch = Stretch(
            (old, audio), before * every - first, steps - before, fresh, known, known_frames
        )
        return carried, stretch

    def count_samples(self, carry: Carry) -> int:
        """Return how long a stream is so far."""
        return self._first_frame(carry.steps) * fbank.SHIFT_SAMPLES + len(carry.audio)

    def energies(self, stretches: Sequence[Stretch]) -> Tensor:
        """Return the filter banks, float32 (rows, most frames, n_mels)."""
        missing = [each.frames - each.known_frames for each in stretches]
        rows = [each.known for each in stretches]
        if most := max(missing):
            audio = [_skip(each.audio, each.known_frames) for each in stretches]
            samples = staging.put_rows(audio, self.front.device)
            fresh = fbank.log_mel(samples, self.front.config.n_mels)
            if not any(rows):
                return fresh
            rows = [
                (*row, part if count == most else part[:count])
                for row, part, count in zip(rows, fresh.numpy(), missing, strict=True)
            ]
        return ragged.lay_out(rows, [each.frames for each in stretches])

    def keep(
        self, carries: Sequence[Carry], stretches: Sequence[Stretch], energies: Tensor
    ) -> list[tuple[Carry, Frames]]:
        """Return what is kept after stretches, with the frames known, and the frames that are new.

        They are copies: no stream keeps alive what its whole batch had.
        """
        kept = []
        for carry, stretch, row in zip(carries, stretches, energies.numpy(), strict=True):
            frames = stretch.frames
            bank = row[stretch.known_frames : frames].copy()
            count = fbank.count_frames(len(carry.audio))
            if count <= len(bank):
                known = bank[len(bank) - count :]
            else:
                known = row[frames - count : frames].copy()
            kept.append((Carry(carry.audio, carry.steps, (known,)), bank))
        return kept

    def features(self, stretches: Sequence[Stretch], energies: Tensor | None = None) -> Tensor:
        """Compute the steps of each stretch: float32 (rows, most steps, n_mels * lfr_m).

        What comes beyond the steps of a row is unspecified.
        """
        front = self.front
        steps = max(stretch.steps for stretch in stretches)
        frames = [stretch.frames for stretch in stretches]
        if max(frames) == 0:
            width = front.config.n_mels * front.config.lfr_m
            return torch.zeros(len(stretches), steps, width, device=front.device)
        if energies is None:
            energies = self.energies(stretches)
        return front.stack(energies, frames, [stretch.offset for stretch in stretches], steps)

    def _first_frame(self, steps: int) -> int:
        """Return the first frame that the step after so many needs."""
        return max(0, steps * self._every - self._left)


def _skip(audio: tuple[Audio, Audio], frames: int) -> tuple[Audio, Audio]:
    """Return the audio without what the first frames alone need."""
    if not frames:
        return audio
    carried, new = audio
    skipped = frames * fbank.SHIFT_SAMPLES
    return carried[skipped:], new[max(0, skipped - len(carried)) :]
