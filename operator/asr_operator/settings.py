"""The operator's settings: flags, else environment, else defaults. Read once, validated once.

The environment is read nowhere else.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How this operator runs; no `namespaces` means all."""

    server_image: str
    namespaces: tuple[str, ...] = ()
    image_allow_list: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    resync_s: float = 300.0
    workers: int = 4
    metrics_port: int = 8080
    probe_port: int = 8081
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its flag is `--name`, its variable `ASR_OPERATOR_NAME`."""

    name: str
    default: str
    help: str

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"ASR_OPERATOR_{self.name.replace('-', '_').upper()}"


SETTINGS = (
    Setting("server-image", "", "image of the server pods (required)"),
    Setting("namespaces", "", "namespaces to serve, comma-separated; empty for all"),
    Setting(
        "image-allow-list",
        "",
        "patterns of images that spec.runtime.image may name, comma-separated; * matches anything",
    ),
    Setting("image-pull-secrets", "", "secrets to pull server images with, comma-separated"),
    Setting("resync-seconds", "300", "every AsrService is reconciled at least this often"),
    Setting("workers", "4", "AsrServices reconciled at the same time"),
    Setting("metrics-port", "8080", "port of /metrics"),
    Setting("probe-port", "8081", "port of /healthz"),
    Setting("log-level", "info", ", ".join(LOG_LEVELS)),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def load_settings(arguments: Sequence[str]) -> OperatorSettings:
    """Return the settings of this process; raise `SettingsError` for one that cannot be used."""
    return parse_settings(arguments, os.environ)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> OperatorSettings:
    """Return the settings; raise `SettingsError` for one that cannot be used."""
    parser = _Parser(prog="asr-operator", description="Run fleets of FunASR servers.")
    for setting in SETTINGS:
        parser.add_argument(
            setting.flag,
            default=environment.get(setting.variable, setting.default),
            help=f"{setting.help} [{setting.variable}]",
        )
    given: dict[str, str] = vars(parser.parse_args(list(arguments)))
    if not given["server_image"].strip():
        raise SettingsError("server-image (ASR_OPERATOR_SERVER_IMAGE) must be set")
    if given["log_level"] not in LOG_LEVELS:
        raise SettingsError(f"log-level must be one of {', '.join(LOG_LEVELS)}")
    return OperatorSettings(
        server_image=given["server_image"].strip(),
        namespaces=_split(given["namespaces"]),
        image_allow_list=_split(given["image_allow_list"]),
        image_pull_secrets=_split(given["image_pull_secrets"]),
        resync_s=_parse_integer(given, "resync_seconds", 1, 86400),
        workers=_parse_integer(given, "workers", 1, 64),
        metrics_port=_parse_integer(given, "metrics_port", 0, 65535),
        probe_port=_parse_integer(given, "probe_port", 1, 65535),
        log_level=given["log_level"],
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse_integer(given: Mapping[str, str], key: str, least: int, most: int) -> int:
    name = key.replace("_", "-")
    try:
        value = int(given[key])
    except ValueError:
        raise SettingsError(f"{name} must be an integer, not {given[key]!r}") from None
    if not least <= value <= most:
        raise SettingsError(f"{name} must be from {least} to {most}, not {value}")
    return value
