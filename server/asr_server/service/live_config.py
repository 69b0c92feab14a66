"""Configuration that changes while the server runs: a watched JSON file.

The file is read again and again rather than watched by the kernel: that works on every file system
and with the symbolic links by which Kubernetes swaps a mounted ConfigMap. A bad file changes
nothing. Keys that this version does not know are ignored: a newer operator may send them.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from asr_server.metrics import ServerMetrics
from asr_server.speech.hotwords import MAX_HOTWORD_CHARS, MAX_HOTWORDS

POLL_S = 0.5
MAX_BYTES = 256 * 1024  # hotwords have up to twelve bytes for each character

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveValues:
    """What is in force. Generation 0 means the flags: no file has been read."""

    generation: int
    batch_size: int
    batch_audio_s: float
    max_wait_ms: float
    max_sessions: int
    shed_late_ms: float
    partial_interval_ms: float
    hotwords: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return what the log says of it; the hotwords may be names of people."""
        return {**asdict(self), "hotwords": len(self.hotwords)}


_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_HOTWORD_CHARS)]


class _File(msgspec.Struct, frozen=True):
    generation: Annotated[int, msgspec.Meta(ge=0)]
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    batch_audio_s: Annotated[float, msgspec.Meta(ge=0.1, le=36000)] | None = None
    max_wait_ms: Annotated[float, msgspec.Meta(ge=0, le=10000)] | None = None
    max_sessions: Annotated[int, msgspec.Meta(ge=1, le=100000)] | None = None
    shed_late_ms: Annotated[float, msgspec.Meta(ge=0, le=60000)] | None = None
    partial_interval_ms: Annotated[float, msgspec.Meta(ge=0, le=60000)] | None = None
    hotwords: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=MAX_HOTWORDS)] | None = None


def parse_live_config(content: bytes, flags: LiveValues) -> LiveValues:
    """Parse a file; an absent key has its flag's value. Raises ValueError that names the key."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(content, type=_File)
    except RecursionError:
        raise ValueError("the file is nested too deeply") from None
    given = msgspec.structs.asdict(found).items()
    return replace(flags, **{key: value for key, value in given if value is not None})


class LiveConfig:
    """Keeps what is in force equal to what the file says."""

    def __init__(
        self, flags: LiveValues, metrics: ServerMetrics, apply: Callable[[LiveValues], None]
    ) -> None:
        self._flags = flags
        self._metrics = metrics
        self._apply = apply
        self._seen: bytes | str | None = None
        self._put_in_force(flags)

    async def watch(self, path: Path) -> None:
        """Follow the file for ever."""
        while True:
            self.check(path)
            await asyncio.sleep(POLL_S)

    def check(self, path: Path) -> None:
        """Read the file, and if it changed, put it in force or say once why not."""
        content = _read(path)
        if content == self._seen:
            return
        self._seen = content
        try:
            if isinstance(content, str):
                raise ValueError(content)
            self._put_in_force(parse_live_config(content, self._flags))
        except ValueError as error:
            self._metrics.config_errors.inc()
            logger.error("%s is not used, the values before stay in force: %s", path, error)

    def _put_in_force(self, values: LiveValues) -> None:
        self._apply(values)
        self._metrics.config_generation.set(values.generation)
        self._metrics.batch_size_limit.set(values.batch_size)
        self._metrics.batch_audio_limit_s.set(values.batch_audio_s)
        self._metrics.max_wait_s.set(values.max_wait_ms / 1000)


def _read(path: Path) -> bytes | str:
    """Return the content, or as text why it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
