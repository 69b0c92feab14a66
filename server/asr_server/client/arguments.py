"""What the command lines of asr-client and asr-bench share: the server, numbers, errors."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


class UsageError(Exception):
    """The command line makes no sense; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Which server, and how to be let in."""

    url: str
    token: str | None = None
    ca_file: Path | None = None
    insecure: bool = False
    patience_s: float = 60.0
    """How long to knock at a server that is full or starting."""
    answer_s: float = 600.0
    """How long to wait for the next message once all is sent."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print a page and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message)


def add_server_flags(parser: argparse.ArgumentParser, answer_s: float = 600.0) -> None:
    """Add the address of the server, and the flags about it."""
    add = parser.add_argument
    add("url", metavar="ws://HOST:PORT", help="the server; wss:// for TLS")
    add("--token", help="sent as Authorization: Bearer; better in the environment, as ASR_TOKEN")
    add("--ca", metavar="FILE", type=Path, help="trust certificates that are signed by these (PEM)")
    add("--insecure", action="store_true", help="trust any certificate")
    add("--patience", metavar="S", type=parse_seconds, default=60.0, help="knock so long at a "
        "server that is full or restarts (60)")  # fmt: skip
    add("--timeout", metavar="S", type=parse_seconds, default=answer_s, help="wait so long for an "
        f"answer ({answer_s:g})")  # fmt: skip


def read_server(given: argparse.Namespace, token: str | None) -> ServerAddress:
    """Return what the flags about the server say, or else a token. Raises UsageError."""
    if not re.fullmatch(r"wss?://[^/\s]+(/\S*)?", given.url):
        raise UsageError(f"{given.url!r} is no server: write ws://HOST:PORT or wss://HOST:PORT")
    server = ServerAddress(
        url=given.url,
        token=given.token or token or None,
        ca_file=given.ca,
        insecure=given.insecure,
        patience_s=given.patience,
        answer_s=given.timeout,
    )
    if server.url.startswith("ws:") and (server.ca_file or server.insecure):
        raise UsageError("--ca and --insecure are for wss:// servers")
    return server


def parse_seconds(text: str) -> float:
    """Parse a duration. Raises argparse.ArgumentTypeError."""
    return parse_number(text, 0, 1e6)


def parse_number(text: str, low: float, high: float) -> float:
    """Parse a number within bounds. Raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
    return value
