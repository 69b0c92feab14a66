"""Recordings with their words, read from a folder; one of the demo models' speech is packaged.

A folder has WAV files, and the words of each in `NAME.txt` beside it or in one `manifest.json`:
`{"utterances": [{"name": "005", "text": "...", "end_silence_ms": 614}]}`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr_server.bench.speech import RATE_HZ, Phrase, words
from asr_server.client.arguments import UsageError
from asr_server.client.inputs import UnreadableError, read_samples
from asr_server.speech.audio import Container

EDGE_S = 0.1
QUIET = 160  # of 32768
DEMO = Path(__file__).parent / "phrases"
END_SILENCE_S = 0.6  # after the last loud sample, FSMN-VAD with its default of 800 ms


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    text: str
    end_silence_s: float


def load_phrases(folder: Path = DEMO, end_silence_s: float = END_SILENCE_S) -> list[Phrase]:
    """Read a folder. `end_silence_s` holds for recordings whose manifest does not tell it.

    Raises UsageError when there is none, no recording, one without words or one that is no WAV.
    """
    if not folder.is_dir():
        raise UsageError(f"--speech {folder}: no such folder")
    manifest = folder / "manifest.json"
    rows = (
        _read_manifest(manifest, end_silence_s)
        if manifest.exists()
        else [_read_row(path, end_silence_s) for path in sorted(folder.glob("*.wav"))]
    )
    if not rows:
        raise UsageError(
            f"--speech {folder}: no WAV file there (ffmpeg -i talk.mp3 talk.wav makes one)"
        )
    return [_load(folder, row) for row in rows]


def trim_silence(pcm: bytes) -> bytes:
    """Cut the silence around mono 16 kHz int16 speech down to 0.1 s; all of it if there is none."""
    audio = np.frombuffer(pcm, np.int16)
    loud = np.flatnonzero(np.abs(audio.astype(np.int32)) > QUIET)
    if not len(loud):
        return b""
    edge = int(EDGE_S * RATE_HZ)
    return audio[max(0, loud[0] - edge) : loud[-1] + 1 + edge].tobytes()


def _read_row(path: Path, end_silence_s: float) -> _Row:
    beside = path.with_suffix(".txt")
    try:
        return _Row(path.stem, beside.read_text(encoding="utf-8"), end_silence_s)
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"{path}: no expected words: write what is said into {beside.name} beside it"
        ) from None


def _read_manifest(path: Path, end_silence_s: float) -> list[_Row]:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["utterances"]
        return [
            _Row(
                str(row["name"]),
                str(row["text"]),
                float(row.get("end_silence_ms", 1000 * end_silence_s)) / 1000,
            )
            for row in found
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: no list of utterances with name and text: {error!r}") from None


def _load(folder: Path, row: _Row) -> Phrase:
    path = folder / f"{row.name}.wav"
    try:
        pcm = trim_silence(read_samples(path, Container.FILE, RATE_HZ))
    except UnreadableError as error:
        raise UsageError(f"{path}: {error}") from None
    if not words(row.text):
        raise UsageError(f"{path}: no expected words: its text is empty")
    if not pcm:
        raise UsageError(f"{path}: there is no sound in it")
    return Phrase(row.text, pcm, row.end_silence_s)
