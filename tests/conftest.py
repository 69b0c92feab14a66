"""What tests of every kind share: held-out speech, and how recognised text is scored."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

UTTERANCES = Path(__file__).parent / "data" / "utterances"


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech that no demo model was trained on: mono 16 kHz int16, and what is said in it."""

    name: str
    text: str
    audio: NDArray[np.int16]


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    """The 80 held-out utterances, about three seconds each."""
    manifest = json.loads((UTTERANCES / "manifest.json").read_text(encoding="utf-8"))
    return [
        Utterance(row["name"], row["text"], read_audio(UTTERANCES / f"{row['name']}.flac"))
        for row in manifest["utterances"]
    ]


@pytest.fixture(scope="session")
def cer() -> Callable[[Iterable[tuple[str, str]]], float]:
    """The character error rate of (reference, recognised) pairs; spaces do not count."""
    return character_error_rate


def read_audio(path: Path) -> NDArray[np.int16]:
    audio, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16000
    return audio


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    errors = characters = 0
    for reference, recognised in pairs:
        wanted, found = reference.replace(" ", ""), recognised.replace(" ", "")
        errors += edit_distance(wanted, found)
        characters += len(wanted)
    return errors / characters


def edit_distance(wanted: str, found: str) -> int:
    costs = list(range(len(found) + 1))
    for row, character in enumerate(wanted, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            replaced = diagonal + (character != other)
            diagonal = costs[column]
            costs[column] = min(replaced, diagonal + 1, costs[column - 1] + 1)
    return costs[-1]
