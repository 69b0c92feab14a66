"""What is to be recognised: files, the audio in folders, the microphone.

Each gives its bytes piece by piece and says what they are. Files in a live mode become samples
here, because servers take no others in these modes.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_server.client.arguments import UsageError
from asr_server.speech import audio, riff

RAW_SUFFIXES = (".pcm", ".raw")
SUFFIXES = (
    *RAW_SUFFIXES, ".wav", ".mp3", ".m4a", ".mp4", ".aac", ".ogg", ".oga", ".opus", ".flac",
    ".amr", ".webm", ".mka", ".mkv", ".mov", ".wma", ".aiff", ".au", ".caf", ".3gp", ".wv",
)  # fmt: skip
PIECE_BYTES = 32 * 1024
LIVE_PIECE_S = 0.06


class UnreadableError(Exception):
    """An input cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to be recognised. `name` is how its outputs are called, without suffix."""

    path: Path
    name: Path

    @property
    def shown(self) -> str:
        """The path as text that can be sent and printed: names need not be UTF-8."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    @property
    def raw(self) -> bool:
        """Whether it holds nothing but samples."""
        return self.path.suffix.lower() in RAW_SUFFIXES

    @property
    def wav_format(self) -> str:
        """What FunASR's protocol calls its format."""
        return "pcm" if self.raw else self.path.suffix.lower().lstrip(".") or "others"


def find_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Return the files that are named, and the audio files in named folders, sorted.

    Raises UsageError when something is not there, or two would have outputs of the same name.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        inside = sorted(_walk(path)) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{path}: no audio in this folder ({', '.join(SUFFIXES)})")
        for file in inside:
            relative = file.relative_to(path) if path.is_dir() else Path(file.name)
            found.setdefault(file, relative)
    names = list(found.values())
    bare = [name.with_suffix("") for name in names]
    # a.wav beside a.mp3: both keep their suffix in the names of their outputs
    result = [
        Recording(file, name if bare.count(name.with_suffix("")) > 1 else name.with_suffix(""))
        for file, name in found.items()
    ]
    if len({recording.name for recording in result}) < len(result):
        raise UsageError("two files have the same name: put them in a folder, and name that")
    return result


async def read_file(recording: Recording) -> AsyncGenerator[bytes, None]:
    """Give the bytes of a file as they are. Raises UnreadableError."""
    with contextlib.closing(_read_pieces(recording.path)) as pieces:
        for data in pieces:
            yield data


def _read_pieces(path: Path) -> Generator[bytes, None, None]:
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE_BYTES):
                yield data
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None


def read_samples(path: Path, container: audio.Container, rate_hz: int) -> bytes:
    """Return all samples of a WAV or raw file, mono 16 kHz int16. Raises UnreadableError."""
    try:
        data = path.read_bytes()
        decoder = audio.Decoder(rate_hz, container)
        decoder.feed(data)
        return decoder.finish().tobytes()
    except riff.AudioError as error:
        if not riff.may_start_riff(data):
            raise UnreadableError("modes online and 2pass take .pcm and .wav alone") from None
        raise UnreadableError(str(error)) from None
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None


def estimate_ms(recording: Recording, rate_hz: int) -> int | None:
    """Return how long a raw or WAV file lasts, as far as its size tells."""
    try:
        with recording.path.open("rb") as file:
            head = file.read(riff.MAX_HEADER_BYTES)
            size = file.seek(0, 2)
        header = None if recording.raw or not riff.may_start_riff(head) else riff.parse_header(head)
    except (OSError, riff.AudioError):
        return None
    if header is None:
        return size * 500 // rate_hz if recording.raw else None
    return (size - header.data_offset) * 1000 // header.bytes_per_s


def cut_live(samples: bytes) -> Iterator[bytes]:
    """Cut 16 kHz int16 samples into what a microphone would give at a time."""
    piece = int(LIVE_PIECE_S * audio.SAMPLE_RATE_HZ) * 2
    for start in range(0, len(samples), piece):
        yield samples[start : start + piece]


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path
