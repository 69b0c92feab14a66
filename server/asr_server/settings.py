"""Flags and environment to one frozen value, checked once. Nothing else reads the environment.

Each flag has a variable of the same name: `--drain-timeout` is ASR_DRAIN_TIMEOUT. A flag wins.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from asr_server import flags

TERMINATION_LOG = flags.TERMINATION_LOG
SETTINGS = flags.SETTINGS
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
    cert: Path | None
    key: Path | None
    auth_tokens: Path | None
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
