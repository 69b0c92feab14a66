"""Flags and environment to one frozen value, checked once. Nothing else reads the environment.

Each flag has a variable of the same name: `--drain-timeout` is ASR_DRAIN_TIMEOUT. A flag wins.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

TERMINATION_LOG = Path("/dev/termination-log")
SAMPLES_PER_MB = 500_000
_SAMPLE_RATE_HZ = 16_000


class SettingsError(Exception):
    """A setting has no usable value; the text is one line that names it."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything that is fixed while the server runs."""

    model: str
    device: str
    dtype: str
    threads: int
    host: str
    port: int
    probe_port: int
    live_config: Path | None
    batch_size: int
    batch_audio_s: float
    max_wait_ms: float
    max_sessions: int
    hotwords: str
    max_sessions_per_address: int
    shed_late_ms: float
    partial_interval_ms: float
    max_message_bytes: int
    max_utterance_s: float
    audio_buffer_mb: int
    decoders: int
    idle_timeout_s: float
    drain_timeout_s: float
    termination_log: Path
    log_level: str
    namespace: str
    service: str
    pod: str


@dataclass(frozen=True, slots=True)
class _Setting:
    """One flag: the field it fills, its default, and what it accepts."""

    flag: str
    metavar: str
    default: str
    parse: Callable[[str], Any]
    help: str
    field: str = ""

    @property
    def name(self) -> str:
        return self.field or self.flag.replace("-", "_")

    @property
    def variable(self) -> str:
        return "ASR_" + self.flag.upper().replace("-", "_")


def load_settings(arguments: Sequence[str]) -> ServerSettings:
    """Read the command line and the environment. Raises SettingsError; exits on --help."""
    return parse_settings(arguments, os.environ)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerSettings:
    """Parse settings from values. Raises SettingsError; exits on --help."""
    given = vars(_build_parser().parse_args(arguments))
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = given[setting.name]
        source = f"--{setting.flag}"
        if text is None and setting.variable in environment:
            text, source = environment[setting.variable], setting.variable
        try:
            values[setting.name] = setting.parse(setting.default if text is None else text)
        except ValueError as error:
            raise SettingsError(f"{source}: {error}") from None
    settings = ServerSettings(
        **values,
        namespace=environment.get("ASR_NAMESPACE", ""),
        service=environment.get("ASR_SERVICE", ""),
        pod=environment.get("ASR_POD", ""),
    )
    _check_together(settings)
    return settings


def termination_log(arguments: Sequence[str]) -> Path:
    """Return where to write why the server does not start, also when its settings are bad."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--termination-log")
    try:
        found = parser.parse_known_args(arguments)[0].termination_log
    except SettingsError:
        found = None
    return Path(found or os.environ.get("ASR_TERMINATION_LOG") or TERMINATION_LOG)


def engine_environment() -> dict[str, str]:
    """Return the environment of the engine process.

    Idle OpenMP threads must sleep: spinning, they take the cores that other processes need.
    """
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="asr-server",
        allow_abbrev=False,
        description="Recognise speech behind the FunASR WebSocket protocol.",
        epilog="Each flag can be set in the environment too: --drain-timeout is ASR_DRAIN_TIMEOUT. "
        "ASR_NAMESPACE, ASR_SERVICE and ASR_POD say who this server is in asr_server_info.",
    )
    for setting in SETTINGS:
        default = f" (default: {setting.default})" if setting.default else ""
        parser.add_argument(
            f"--{setting.flag}",
            dest=setting.name,
            metavar=setting.metavar,
            help=setting.help + default,
        )
    return parser


def _check_together(settings: ServerSettings) -> None:
    buffer_s = settings.audio_buffer_mb * SAMPLES_PER_MB / _SAMPLE_RATE_HZ
    if settings.max_utterance_s > buffer_s:
        raise SettingsError(
            f"--max-utterance: {settings.max_utterance_s:g} s do not fit into --audio-buffer-mb "
            f"{settings.audio_buffer_mb}, which is {buffer_s:g} s"
        )
    if settings.port == settings.probe_port != 0:
        raise SettingsError(f"--probe-port: {settings.port} is the port of the WebSocket already")


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


_DTYPES = _one_of("float32", "float16", "bfloat16")
_LEVELS = _one_of("debug", "info", "warning", "error")
_PORT = _whole(0, 65535)

SETTINGS = (
    _Setting("model", "DIR", "demo", _text, "demo, or a folder with asr, vad and perhaps punc"),
    _Setting("device", "NAME", "cpu", _one_of("cpu", "cuda"), "cpu or cuda"),
    _Setting("dtype", "NAME", "float32", _DTYPES, "float32, float16 or bfloat16"),
    _Setting("threads", "N", "0", _whole(0, 1024), "CPU threads of the models; 0: the CPU quota"),
    _Setting("host", "ADDRESS", "0.0.0.0", _text, "address to listen on"),
    _Setting("port", "PORT", "10095", _PORT, "WebSocket port; 0: any that is free"),
    _Setting("probe-port", "PORT", "8081", _PORT, "port of /livez, /readyz and /metrics"),
    _Setting("live-config", "FILE", "", _path_or_none, "watched JSON that wins over the flags"),
    _Setting("batch-size", "N", "16", _whole(1, 4096), "utterances in one batch at most"),
    _Setting("batch-audio-s", "S", "120", _number(0.1, 36000), "padded audio seconds in one batch"),
    _Setting(
        "max-wait-ms", "MS", "20", _number(0, 10000), "how long an idle engine waits for more"
    ),
    _Setting(
        "max-sessions", "N", "200", _whole(1, 100000), "sessions at a time; others get HTTP 503"
    ),
    _Setting("hotwords", "WORDS", "", str, "what all sessions prefer: 'WORD WORD' or JSON"),
    _Setting(
        "max-sessions-per-address",
        "N",
        "0",
        _whole(0, 100000),
        "sessions of one address; 0: no limit, as behind a proxy all have the same",
    ),
    _Setting(
        "shed-late-ms",
        "MS",
        "100",
        _number(0, 60000),
        "how late live speech may be before partials are thinned out; twice that: no partials in "
        "2pass, then files wait; three times: new sessions get HTTP 503; 0: none of it",
    ),
    _Setting(
        "partial-interval-ms",
        "MS",
        "2400",
        _number(0, 60000),
        "how much speech is between partials that are thinned out",
    ),
    _Setting(
        "max-message-bytes",
        "BYTES",
        str(64 * 1024 * 1024),
        _whole(4096, 1 << 30),
        "longest WebSocket message; some stock clients send a file as one",
    ),
    _Setting(
        "max-utterance",
        "S",
        "14400",
        _number(1, 86400),
        "longest input in seconds: by default a long meeting",
        "max_utterance_s",
    ),
    _Setting(
        "audio-buffer-mb",
        "MB",
        "512",
        _whole(1, 1 << 20),
        "memory for audio that waits; taken as needed, 1 MB is 31 s",
    ),
    _Setting(
        "decoders",
        "N",
        "16",
        _whole(0, 1024),
        "mp3, m4a, ogg and other files that ffmpeg decodes at a time; 0: only pcm and wav",
    ),
    _Setting(
        "idle-timeout",
        "S",
        "300",
        _number(1, 86400),
        "seconds without a message after which a session is closed",
        "idle_timeout_s",
    ),
    _Setting(
        "drain-timeout",
        "S",
        "600",
        _number(0, 86400),
        "seconds that open sessions may take to finish after SIGTERM",
        "drain_timeout_s",
    ),
    _Setting(
        "termination-log", "FILE", str(TERMINATION_LOG), Path, "where to write a failed start"
    ),
    _Setting("log-level", "NAME", "info", _LEVELS, "debug, info, warning or error"),
)
