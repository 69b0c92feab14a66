"""The operator's settings: flags, else environment, else defaults. Read once, validated once.

The environment is read nowhere else.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """Where the load of the services is asked for, and as whom: by token, by password, or neither.

    `queries_file` replaces queries by name; see `asr_operator.cluster.queries`.
    """

    url: str
    timeout_s: float = 5.0
    token_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    queries_file: Path | None = None


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How this operator runs; no `namespaces` means all, no `prometheus` that no load is known."""

    server_image: str
    namespaces: tuple[str, ...] = ()
    image_allow_list: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    resync_s: float = 300.0
    workers: int = 4
    metrics_port: int = 8080
    probe_port: int = 8081
    log_level: str = "info"
    prometheus: PrometheusSettings | None = None


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
    Setting("prometheus-url", "", "Prometheus that scrapes the server pods; empty for none"),
    Setting("prometheus-timeout-seconds", "5", "how long one query may take"),
    Setting("prometheus-token-file", "", "file with a bearer token for Prometheus"),
    Setting("prometheus-username", "", "user name for Prometheus, with a password file"),
    Setting("prometheus-password-file", "", "file with the password of that user"),
    Setting("prometheus-ca-file", "", "file with the certificates to trust Prometheus by (PEM)"),
    Setting("prometheus-queries-file", "", "JSON file with PromQL that replaces ours, by name"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def load_settings(arguments: Sequence[str]) -> OperatorSettings:
    """Return the settings of this process; raise `SettingsError` for one that cannot be used."""
    return parse_settings(arguments, os.environ)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> OperatorSettings:
    """Return the settings; raise `SettingsError` for one that cannot be used."""
    parser = _Parser(
        prog="asr-operator",
        description="Run fleets of FunASR servers in Kubernetes, one for each AsrService.",
        epilog="Each flag can be set in the environment too, by the name in brackets; a flag wins.",
    )
    for setting in SETTINGS:
        default = f" (default: {setting.default})" if setting.default else ""
        parser.add_argument(
            setting.flag,
            metavar="VALUE",
            default=environment.get(setting.variable, setting.default),
            help=f"{setting.help}{default} [{setting.variable}]",
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
        prometheus=_parse_prometheus(given),
    )


def _parse_prometheus(given: Mapping[str, str]) -> PrometheusSettings | None:
    url = given["prometheus_url"].strip().rstrip("/")
    if not url:
        return None
    _check_address(url)
    if bool(given["prometheus_username"]) != bool(given["prometheus_password_file"]):
        raise SettingsError("prometheus-username and prometheus-password-file need each other")
    if given["prometheus_token_file"] and given["prometheus_password_file"]:
        raise SettingsError("prometheus-token-file and prometheus-password-file exclude each other")
    return PrometheusSettings(
        url=url,
        timeout_s=_parse_integer(given, "prometheus_timeout_seconds", 1, 60),
        token_file=_parse_file(given, "prometheus_token_file"),
        username=given["prometheus_username"],
        password_file=_parse_file(given, "prometheus_password_file"),
        ca_file=_parse_file(given, "prometheus_ca_file"),
        queries_file=_parse_file(given, "prometheus_queries_file"),
    )


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise SettingsError("prometheus-url must be an address such as http://prometheus:9090")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("prometheus-url must hold no user, no query and no fragment")


def _parse_file(given: Mapping[str, str], key: str) -> Path | None:
    if not given[key]:
        return None
    path = Path(given[key])
    if not path.is_file():
        raise SettingsError(f"{key.replace('_', '-')}: there is no file {path}")
    return path


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
