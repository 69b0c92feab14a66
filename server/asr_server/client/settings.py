"""The command line of asr-client as one frozen value, checked once."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_server.client.arguments import (
    Parser,
    ServerAddress,
    UsageError,
    add_server_flags,
    parse_number,
    read_server,
)
from asr_server.speech.audio import MAX_RATE_HZ, MIN_RATE_HZ
from asr_server.speech.hotwords import Hotword, parse_hotwords

FORMATS = ("txt", "json", "srt", "vtt")
MODES = ("offline", "online", "2pass")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything that was asked for."""

    server: ServerAddress
    paths: tuple[Path, ...]
    microphone: bool
    mode: str
    sample_rate_hz: int
    hotwords: tuple[Hotword, ...]
    speed: float
    jobs: int
    formats: tuple[str, ...]
    output: Path | None
    overwrite: bool
    quiet: bool


def parse_settings(arguments: Sequence[str]) -> ClientSettings:
    """Parse the command line. Raises UsageError; exits on --help."""
    given = _build_parser().parse_intermixed_args(arguments)
    settings = ClientSettings(
        server=read_server(given, os.environ.get("ASR_TOKEN")),
        paths=tuple(given.paths),
        microphone=given.mic,
        mode=given.mode or ("2pass" if given.mic else "offline"),
        sample_rate_hz=given.audio_fs,
        hotwords=_read_hotwords(given.hotwords),
        speed=given.speed,
        jobs=given.jobs,
        formats=tuple(given.format),
        output=given.output,
        overwrite=given.overwrite,
        quiet=given.quiet,
    )
    _check_together(settings)
    return settings


def _build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="asr-client",
        allow_abbrev=False,
        description="Have files, folders, or the microphone recognised by a FunASR server.",
        epilog="Exit status: 0 all is recognised; 1 some file is not; 2 the command line makes no "
        "sense; 3 the server cannot be reached or lets nobody in. Transcripts go to standard "
        "output or to --output, all else to standard error.",
    )
    add = parser.add_argument
    add_server_flags(parser)
    add("paths", metavar="FILE|FOLDER", nargs="*", type=Path, help="audio, or folders of it")
    add("--mic", action="store_true", help="the microphone, until Ctrl-C")
    add("--mode", choices=MODES, help="offline for files, 2pass for --mic unless said otherwise")
    add(
        "--audio-fs", metavar="HZ", type=_rate, default=16000, help="rate of raw .pcm files (16000)"
    )
    add("--hotwords", metavar="WORDS", default="", help="'WORD WORD', JSON, or @FILE of either")
    add("--speed", metavar="X", type=_speed, default=0.0, help="online, 2pass: send so many "
        "seconds of audio in a second; 0: as fast as the server takes it (default)")  # fmt: skip
    add("--jobs", metavar="N", type=_jobs, default=4, help="files at a time (4)")
    add(
        "--format", metavar="LIST", type=_formats, default=["txt"], help="of txt,json,srt,vtt (txt)"
    )
    add("--output", metavar="FOLDER", type=Path, help="write one file per input and format there")
    add("--overwrite", action="store_true", help="do inputs again whose outputs are there already")
    add("--quiet", action="store_true", help="no progress, only problems")
    return parser


def _check_together(settings: ClientSettings) -> None:
    if bool(settings.paths) == settings.microphone:
        raise UsageError("name files or folders, or --mic, and not both")
    if len(settings.formats) > 1 and settings.output is None:
        raise UsageError("several formats need --output FOLDER")


def _read_hotwords(text: str) -> tuple[Hotword, ...]:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--hotwords: cannot read {text[1:]}: {error}") from None
    try:
        return parse_hotwords(text)
    except ValueError as error:
        raise UsageError(f"--hotwords: {error}") from None


def _formats(text: str) -> list[str]:
    names = text.lower().split(",")
    if unknown := [name for name in names if name not in FORMATS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def _rate(text: str) -> int:
    return int(parse_number(text, MIN_RATE_HZ, MAX_RATE_HZ))


def _jobs(text: str) -> int:
    return int(parse_number(text, 1, 1000))


def _speed(text: str) -> float:
    return parse_number(text, 0, 1000)
