"""Transcripts as text, JSON and subtitles, and where they are written."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_server.client.inputs import Recording
from asr_server.speech import subtitles
from asr_server.speech.subtitles import Cue


@dataclass(frozen=True, slots=True)
class Result:
    """What was recognised in one input."""

    file: str
    mode: str
    text: str
    duration_ms: int
    segments: tuple[Cue, ...]


def render(result: Result, form: str) -> str:
    """Render a result in one of the formats of the command line."""
    return _RENDERERS[form](result)


class Outputs:
    """Where the results of a run go: one file per input and format, or standard output."""

    def __init__(self, folder: Path | None, formats: Sequence[str], *, several: bool) -> None:
        self._folder = folder
        self._formats = formats
        self._several = several

    def are_there(self, recording: Recording) -> bool:
        """Tell whether all files of an input exist already."""
        paths = self._paths(recording)
        return bool(paths) and all(path.exists() for path in paths.values())

    def put(self, recording: Recording, result: Result) -> None:
        """Write or print a result. Raises OSError."""
        for form, path in self._paths(recording).items():
            write(path, render(result, form))
        if self._folder is None:
            named = self._several and self._formats[0] == "txt"
            label = f"{result.file}: " if named else ""
            sys.stdout.write(label + render(result, self._formats[0]))
            sys.stdout.flush()

    def _paths(self, recording: Recording) -> dict[str, Path]:
        if self._folder is None:
            return {}
        path = self._folder / recording.name
        return {form: path.with_name(f"{path.name}.{form}") for form in self._formats}


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".asr-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _render_txt(result: Result) -> str:
    return result.text + "\n"


def _render_json(result: Result) -> str:
    segments = [
        {"start_s": cue.start_ms / 1000, "end_s": cue.end_ms / 1000, "text": cue.text}
        for cue in result.segments
    ]
    fields = {
        "file": result.file,
        "mode": result.mode,
        "text": result.text,
        "duration_s": result.duration_ms / 1000,
        "segments": segments,
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


_RENDERERS: dict[str, Callable[[Result], str]] = {
    "txt": _render_txt,
    "json": _render_json,
    "srt": lambda result: subtitles.render_srt(result.segments),
    "vtt": lambda result: subtitles.render_vtt(result.segments),
}
