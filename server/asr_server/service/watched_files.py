"""Certificates and tokens that are read again when their files change.

Polled, as the live configuration is: that works with the symbolic links by which Kubernetes swaps a
mounted Secret. What cannot be used changes nothing.
"""

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from asr_server.metrics import ServerMetrics

POLL_S = 1.0

logger = logging.getLogger(__name__)


class Reloaded(Protocol):
    """What is made of some files."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""

    def reload(self) -> None:
        """Read them again. Raises ValueError, and keeps what was there."""


async def watch(reloaded: Reloaded, metrics: ServerMetrics) -> None:
    """Keep it as its files say, for ever."""
    seen = _read_all(reloaded.paths)
    while True:
        await asyncio.sleep(POLL_S)
        found = _read_all(reloaded.paths)
        if found == seen:
            continue
        seen = found
        names = " and ".join(map(str, reloaded.paths))
        try:
            reloaded.reload()
            logger.info("%s: read again", names)
        except ValueError as error:
            metrics.config_errors.inc()
            logger.error("%s: not used, what was there before stays in force: %s", names, error)


def _read_all(paths: tuple[Path, ...]) -> list[bytes | None]:
    return [_read(path) for path in paths]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
