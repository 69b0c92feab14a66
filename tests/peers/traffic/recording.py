"""What a client sent over one connection, frame by frame: as values and as lines of JSON.

The first line says whose traffic it is. Each other line is one frame of the client, or its close.
Audio is not stored: a frame names a range of bytes of the speech, which `speech_bytes` makes anew
from the utterances in tests/data. Times are seconds since the connection was open.
"""

import io
import json
import wave
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile

TRAFFIC = Path(__file__).parents[2] / "data" / "traffic"
HEADER_BYTES, SECOND_BYTES = 44, 32_000


@dataclass(frozen=True, slots=True)
class Client:
    """Whose traffic it is, and what this client needs back.

    `stop` is when it takes the answer as complete, one of replay.STOPS, and `within_s` how long it
    waits for that after its end. `needs` are the fields without which it fails, and their types.
    `source` is its file and `made` whether its traffic was recorded or written from reading that.
    """

    client: str
    version: str
    mode: str
    stop: str
    source: str
    within_s: float = 60.0
    needs: Mapping[str, str] = field(default_factory=dict)
    made: str = "recorded"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    """What was spoken: utterances with 1.2 s of silence between them, enough to end a segment.

    They lie in one WAV file, in one MP3 file ("mp3"), each in a file of its own ("files"), or were
    said into a microphone: 0.5 s of silence before them, 1.5 s after.
    """

    utterances: tuple[str, ...]
    into: str = "file"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: text, or bytes [start, stop) of the speech; `fin` false if its message goes on."""

    at_s: float
    text: str | None = None
    audio: tuple[int, int] | None = None
    fin: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    """All frames of one connection. `headers` are those of the handshake that differ by client."""

    client: Client
    speech: Speech
    headers: Mapping[str, str]
    frames: tuple[Frame, ...]
    close_code: int | None


def speech_bytes(speech: Speech, samples: Mapping[str, bytes]) -> bytes:
    """Make the bytes that the frames of a recording name, from the samples of each utterance."""
    parts = [samples[name] for name in speech.utterances]
    if speech.into == "files":
        return b"".join(map(wav_file, parts))
    said = silence(1.2).join(parts)
    if speech.into == "microphone":
        return silence(0.5) + said + silence(1.5)
    return mp3_file(said) if speech.into == "mp3" else wav_file(said)


def silence(duration_s: float) -> bytes:
    """Make samples of nothing."""
    return bytes(round(duration_s * SECOND_BYTES))


def wav_file(samples: bytes) -> bytes:
    """Put 16 kHz mono int16 samples behind a header of 44 bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples)
    return buffer.getvalue()


def mp3_file(samples: bytes) -> bytes:
    """Encode 16 kHz mono int16 samples."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.frombuffer(samples, np.int16), 16000, format="MP3")
    return buffer.getvalue()


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a file."""
    about = {
        **{key: value for key, value in asdict(recording.client).items() if value},
        "utterances": recording.speech.utterances,
        "into": recording.speech.into,
        "headers": dict(recording.headers),
        "close_code": recording.close_code,
    }
    lines = [json.dumps(about, ensure_ascii=False), *map(_render_frame, recording.frames)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> Recording:
    """Read what `write` wrote."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    about = json.loads(first)
    speech = Speech(tuple(about.pop("utterances")), about.pop("into"))
    headers, close_code = about.pop("headers"), about.pop("close_code")
    return Recording(Client(**about), speech, headers, tuple(_parse_frames(rest)), close_code)


def _render_frame(frame: Frame) -> str:
    fields: dict[str, object] = {"at_s": round(frame.at_s, 3)}
    if frame.text is not None:
        fields["text"] = frame.text
    else:
        fields["audio"] = frame.audio
    if not frame.fin:
        fields["fin"] = False
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _parse_frames(lines: Iterable[str]) -> Iterable[Frame]:
    for fields in map(json.loads, lines):
        if "audio" in fields:
            fields["audio"] = tuple(fields["audio"])
        yield Frame(**fields)
