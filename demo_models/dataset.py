"""A set of utterances on disk, read as memory maps.

It is a folder: rows.json (what is said), audio.i16 (mono 16 kHz) and features.f16 (LFR filter
banks, one or more disturbed copies of each utterance).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FEATURES = 560


@dataclass(frozen=True, slots=True)
class Row:
    """One utterance of a set, and where it is: in samples, and in feature steps of each copy."""

    kind: str
    text: str
    has_pause: bool
    start: int
    samples: int
    copies: list[tuple[int, int]]


class Dataset:
    """A set on disk."""

    def __init__(self, folder: Path) -> None:
        rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
        self.rows = [Row(**row) for row in rows]
        self._audio = np.memmap(folder / "audio.i16", np.int16, "r")
        self._features = folder / "features.f16"

    def audio(self, row: Row) -> NDArray[np.int16]:
        """Return an utterance as it was spoken, undisturbed."""
        return self._audio[row.start : row.start + row.samples]

    def features(self, row: Row, copy: int) -> NDArray[np.float16]:
        """Return the features of one disturbed copy, (steps, 560), not normalised."""
        start, steps = row.copies[copy]
        first = start * FEATURES * np.dtype(np.float16).itemsize
        return np.memmap(self._features, np.float16, "r", first, (steps, FEATURES))

    def mean_and_deviation(self, rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return both for each of the 560 features, over the first utterances."""
        known = [self.features(row, 0).astype(np.float32) for row in self.rows[:rows]]
        joined = np.concatenate(known)
        return joined.mean(axis=0), joined.std(axis=0)
