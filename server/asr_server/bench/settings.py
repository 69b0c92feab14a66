"""The command line of asr-bench as one frozen value, checked once."""

import argparse
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_server.bench import corpus
from asr_server.bench.session import ANSWER_WITHIN_S
from asr_server.bench.speech import make_speaker
from asr_server.client.arguments import (
    Parser,
    ServerAddress,
    UsageError,
    add_server_flags,
    parse_number,
    read_server,
)

MODES = ("2pass", "online", "offline")
MOST_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said."""

    folder: Path
    lengths: str
    silence_ratio: float
    end_silence_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """Everything that was asked for."""

    server: ServerAddress
    mode: str
    levels: tuple[int, ...]
    """Sessions of each trial; without any the largest number is looked for."""
    first: int
    most: int
    duration_s: float
    frame_s: float
    objective_s: float
    max_cer: float
    speech: Speech
    metrics_url: str | None
    json: Path | None
    picture: Path | None
    quiet: bool


def parse_settings(arguments: Sequence[str]) -> BenchSettings:
    """Parse the command line. Raises UsageError; exits on --help."""
    given = _build_parser().parse_args(arguments)
    lengths = given.lengths or ("recorded" if given.mode == "2pass" else "numbers")
    if given.speech and not given.lengths:
        lengths = "recorded"
    settings = BenchSettings(
        server=read_server(given, os.environ.get("ASR_TOKEN")),
        mode=given.mode,
        levels=tuple(given.sessions or ()),
        first=given.first,
        most=given.most,
        duration_s=given.duration,
        frame_s=given.frame_ms / 1000,
        objective_s=given.objective_ms / 1000,
        max_cer=given.max_cer,
        speech=Speech(
            folder=given.speech or corpus.DEMO,
            lengths=lengths,
            silence_ratio=given.silence,
            end_silence_s=given.end_silence_ms / 1000,
            seed=given.seed,
        ),
        metrics_url=given.metrics_url,
        json=given.json,
        picture=given.picture,
        quiet=given.quiet,
    )
    _check_together(settings)
    return settings


def _build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="asr-bench",
        allow_abbrev=False,
        description="Let people speak to a FunASR server in real time, whether or not it keeps up, "
        "and find how many at a time it answers within an objective. Every final is compared with "
        "what was said.",
        epilog="Without --speech the packaged speech of the demo models is said. Latency counts "
        "from the moment at which the end of an utterance can be known: its last sample, or in "
        "mode 2pass the end of the silence that a VAD waits for. Exit status: 0 the objective is "
        "met by all trials of --sessions, or by one session at least; 1 it is not; 2 the command "
        "line makes no sense; 3 the server cannot be reached.",
    )
    add = parser.add_argument
    add_server_flags(parser, answer_s=ANSWER_WITHIN_S)
    add("--mode", choices=MODES, default="2pass", help="2pass (default): one stream each that the "
        "server cuts at pauses; online, offline: each utterance an input")  # fmt: skip
    add("--sessions", metavar="N,N,...", type=_levels, help="try these numbers of sessions; "
        "without it the largest that holds is looked for, by doubling and bisection")  # fmt: skip
    add("--first", metavar="N", type=_count, default=8, help="begin the search with so many (8)")
    add("--most", metavar="N", type=_count, default=1000, help="end it there (1000)")
    add("--duration", metavar="S", type=_duration, default=20.0, help="of a trial (20)")
    add("--frame-ms", metavar="MS", type=_frame, default=60.0, help="live audio in a message (60)")
    add("--objective-ms", metavar="MS", type=_milliseconds, default=500.0,
        help="95 %% of the finals within this (500)")  # fmt: skip
    add("--max-cer", metavar="RATIO", type=_ratio, default=0.05, help="wrong characters over "
        "those said, at most (0.05)")  # fmt: skip
    add("--speech", metavar="FOLDER", type=Path, help="WAV files, with the words of each in "
        "NAME.txt beside it or all in manifest.json")  # fmt: skip
    add("--lengths", metavar="PROFILE", help="recorded (default of 2pass and --speech): each "
        "recording by itself; numbers: three with short pauses, never the same three; "
        "lognormal:MEDIAN_S: recordings with short pauses up to a length by chance")  # fmt: skip
    add("--silence", metavar="RATIO", type=_silence, default=0.4, help="pauses, as a share of the "
        "time; a pause has 0.9 s at least (0.4)")  # fmt: skip
    add("--end-silence-ms", metavar="MS", type=_milliseconds, default=1000 * corpus.END_SILENCE_S,
        help="2pass: how long after the end of a recording a VAD can know it, where manifest.json "
        "does not tell (600: FSMN-VAD with 800 ms)")  # fmt: skip
    add("--metrics-url", metavar="URL", help="http://HOST:8081/metrics of the server: adds where "
        "the time went, stage by stage")  # fmt: skip
    add("--json", metavar="FILE", type=Path, help="write everything there")
    add("--picture", metavar="FILE", type=Path, help="draw latency against sessions there, .png or "
        ".svg (needs matplotlib: the extra asr-server[bench])")  # fmt: skip
    add("--seed", type=_seed, default=1, help="what is said and when follows from it (1)")
    add("--quiet", action="store_true", help="no progress, only results")
    return parser


def _check_together(settings: BenchSettings) -> None:
    if settings.first > settings.most:
        raise UsageError("--first is more than --most")
    if settings.picture and not importlib.util.find_spec("matplotlib"):
        raise UsageError("--picture needs matplotlib: pip install 'asr-server[bench]'")
    for path in (settings.json, settings.picture):
        if path and not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}")
    phrases = corpus.load_phrases(settings.speech.folder, settings.speech.end_silence_s)
    try:
        make_speaker(settings.speech.lengths, phrases, settings.speech.seed)
    except ValueError as error:
        raise UsageError(f"--lengths: {error}") from None


def _levels(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SESSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000")
    return int(text)


def _seed(text: str) -> int:
    return int(parse_number(text, 0, 1 << 31))


def _duration(text: str) -> float:
    return parse_number(text, 1, 86400)


def _milliseconds(text: str) -> float:
    return parse_number(text, 0, 1e6)


def _frame(text: str) -> float:
    return parse_number(text, 1, 1000)


def _ratio(text: str) -> float:
    return parse_number(text, 0, 1)


def _silence(text: str) -> float:
    return parse_number(text, 0, 0.95)
