"""What tests of every kind share: held-out speech, how text is scored, how properties are tried."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from demo_models import scoring

# How long an example takes says nothing on a machine that has other work.
settings.register_profile("full", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For "make check"; "make slow" tries each property in full.
settings.register_profile("quick", settings.get_profile("full"), max_examples=20)
settings.load_profile("full")

UTTERANCES = Path(__file__).parent / "data" / "utterances"


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech that no demo model was trained on: mono 16 kHz int16, and what is said in it."""

    name: str
    text: str
    audio: NDArray[np.int16]


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    """The held-out utterances, about three seconds each: 80 Mandarin, 14 English, 6 mixed."""
    manifest = json.loads((UTTERANCES / "manifest.json").read_text(encoding="utf-8"))
    return [
        Utterance(row["name"], row["text"], read_audio(UTTERANCES / f"{row['name']}.flac"))
        for row in manifest["utterances"]
    ]


@pytest.fixture(scope="session")
def cer() -> Callable[[Iterable[tuple[str, str]]], float]:
    """The character error rate of (reference, recognised) pairs; only what is spoken counts."""
    return scoring.character_error_rate


def read_audio(path: Path) -> NDArray[np.int16]:
    audio, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16000
    return audio
