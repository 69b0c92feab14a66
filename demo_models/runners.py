"""Two ways to run a model folder: FunASR's `AutoModel`, and the server's own modules."""

import contextlib
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from asr_server.models import folders, punctuation, recognizer, streaming_recognizer, tokens, vad
from asr_server.speech import pieces
from demo_models import conditions, scoring

CHUNK = (5, 10, 5)
ENCODER_LOOK_BACK, DECODER_LOOK_BACK = 4, 1
MAX_END_SILENCE_MS = 800
_CHUNK_UNIT_SAMPLES = 960
_ROWS = 32
_PLACE = torch.device("cpu"), torch.float32


class Runner(Protocol):
    """What can be asked of the four folders."""

    def recognise(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, heard as a whole."""
        ...

    def recognise_online(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, heard in chunks of 600 ms."""
        ...

    def detect(self, audio: conditions.Audio) -> list[scoring.Span]:
        """Return where a recording has speech, in milliseconds."""
        ...

    def punctuate(self, text: Sequence[str]) -> str:
        """Return a text, given as tokens, with its marks."""
        ...


class Stock:
    """FunASR's own code."""

    def __init__(self, models: Path) -> None:
        self._models = models

    @functools.cached_property
    def _asr(self) -> Any:
        return _load(self._models / "asr")

    @functools.cached_property
    def _online(self) -> Any:
        return _load(self._models / "asr_online")

    @functools.cached_property
    def _vad(self) -> Any:
        return _load(self._models / "vad")

    @functools.cached_property
    def _punc(self) -> Any:
        return _load(self._models / "punc")

    def recognise(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, one call each."""
        return [_read(self._asr.generate(input=conditions.to_floats(row))) for row in audio]

    def recognise_online(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, one call for each chunk."""
        return [self._recognise_chunks(row) for row in audio]

    def detect(self, audio: conditions.Audio) -> list[scoring.Span]:
        """Return where a recording has speech, in milliseconds."""
        samples = conditions.to_floats(audio)
        found = self._vad.generate(input=samples, max_end_silence_time=MAX_END_SILENCE_MS)
        return [(start, end) for start, end in found[0]["value"]]

    def punctuate(self, text: Sequence[str]) -> str:
        """Return a text with its marks."""
        found: str = self._punc.generate(input=tokens.join(text))[0]["text"]
        return found

    def _recognise_chunks(self, audio: conditions.Audio) -> str:
        samples, step = conditions.to_floats(audio), CHUNK[1] * _CHUNK_UNIT_SAMPLES
        cache: dict[str, Any] = {}
        text: list[str] = []
        for start in range(0, len(samples), step):
            found = self._online.generate(
                input=samples[start : start + step],
                cache=cache,
                is_final=start + step >= len(samples),
                chunk_size=list(CHUNK),
                encoder_chunk_look_back=ENCODER_LOOK_BACK,
                decoder_chunk_look_back=DECODER_LOOK_BACK,
            )
            text.append(_read(found))
        return " ".join(text)


class Ours:
    """The server's modules."""

    def __init__(self, models: Path) -> None:
        self._models = models

    @functools.cached_property
    def _asr(self) -> recognizer.Recognizer:
        return recognizer.load(folders.open_folder(self._models / "asr"), *_PLACE)

    @functools.cached_property
    def _online(self) -> streaming_recognizer.StreamingRecognizer:
        return streaming_recognizer.load(folders.open_folder(self._models / "asr_online"), *_PLACE)

    @functools.cached_property
    def _vad(self) -> vad.Vad:
        return vad.load(folders.open_folder(self._models / "vad"), *_PLACE)

    @functools.cached_property
    def _punc(self) -> punctuation.Punctuation:
        return punctuation.load(folders.open_folder(self._models / "punc"), *_PLACE)

    def recognise(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, in batches."""
        batches = _cut(audio)
        return [tokens.join(row.tokens) for batch in batches for row in self._asr.recognize(batch)]

    def recognise_online(self, audio: Sequence[conditions.Audio]) -> list[str]:
        """Return the text of each recording, in batches of chunks."""
        found: list[str] = []
        for batch in _cut(audio):
            whole = [pieces.Piece(self._online.start(CHUNK), row, last=True) for row in batch]
            found += [tokens.join(spoken.tokens) for spoken in self._online.advance(whole)]
        return found

    def detect(self, audio: conditions.Audio) -> list[scoring.Span]:
        """Return where a recording has speech, in milliseconds."""
        return [(span.start_ms, span.end_ms) for span in self._vad.detect([audio])[0]]

    def punctuate(self, text: Sequence[str]) -> str:
        """Return a text with its marks."""
        return self._punc.punctuate([text])[0]


def _cut(audio: Sequence[conditions.Audio]) -> list[Sequence[conditions.Audio]]:
    return [audio[start : start + _ROWS] for start in range(0, len(audio), _ROWS)]


def _load(folder: Path) -> Any:
    from funasr import AutoModel

    with contextlib.redirect_stdout(io.StringIO()):
        return AutoModel(
            model=str(folder),
            device="cpu",
            disable_update=True,
            disable_pbar=True,
            disable_log=True,
            ncpu=1,
        )


def _read(found: list[dict[str, Any]]) -> str:
    return "".join(row["text"] for row in found)
