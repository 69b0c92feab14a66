"""Talks for measuring throughput: held-out speech, one utterance after the other, with pauses."""

import random
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_server.bench.corpus import load_phrases
from asr_server.bench.scoring import count_errors
from asr_server.bench.speech import RATE_HZ, words

PAUSE_S = 0.6  # long enough for a VAD


@dataclass(frozen=True, slots=True)
class Talk:
    """A recording of about a minute, and what is said in it."""

    name: str
    audio: NDArray[np.int16]
    text: str

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return len(self.audio) / RATE_HZ

    def write(self, folder: Path) -> Path:
        """Write a WAV file and return its path."""
        path = folder / f"{self.name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.audio.tobytes())
        return path


def make_talks(count: int, length_s: float, seed: int = 1) -> list[Talk]:
    """Return talks of at least a length, each with utterances of its own."""
    recordings = [
        (np.frombuffer(phrase.pcm, np.int16), words(phrase.text)) for phrase in load_phrases()
    ]
    draw = random.Random(seed)
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.int16)
    talks = []
    for number in range(count):
        said: list[tuple[NDArray[np.int16], str]] = []
        while sum(len(audio) + len(pause) for audio, _ in said) < length_s * RATE_HZ:
            said.append(draw.choice(recordings))
        pieces = [piece for audio, _ in said for piece in (audio, pause)]
        text = "".join(text for _, text in said)
        talks.append(Talk(f"talk-{number:02d}", np.concatenate(pieces), text))
    return talks


def find_cer(talks: list[Talk], heard: dict[str, str]) -> float:
    """Return wrong characters over those said; what was not heard is wrong."""
    errors = sum(count_errors(talk.text, words(heard.get(talk.name, ""))) for talk in talks)
    return errors / sum(len(talk.text) for talk in talks)
