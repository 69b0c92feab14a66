"""Every flag of the server: its default, what it accepts, and what its help says. Only values."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TERMINATION_LOG = Path("/dev/termination-log")


@dataclass(frozen=True, slots=True)
class Setting:
    """One flag: the field it fills, its default, and what it accepts."""

    flag: str
    metavar: str
    default: str
    parse: Callable[[str], Any]
    help: str
    field: str = ""

    @property
    def name(self) -> str:
        """The field that it fills."""
        return self.field or self.flag.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "ASR_" + self.flag.upper().replace("-", "_")


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
    Setting(
        "model",
        "DIR",
        "demo",
        _text,
        "demo, or a folder with asr and vad, and perhaps asr_online (for partials) and punc",
    ),
    Setting("device", "NAME", "cpu", _one_of("cpu", "cuda"), "cpu or cuda"),
    Setting("dtype", "NAME", "float32", _DTYPES, "float32, float16 or bfloat16"),
    Setting("threads", "N", "0", _whole(0, 1024), "CPU threads of the models; 0: the CPU quota"),
    Setting("host", "ADDRESS", "0.0.0.0", _text, "address to listen on"),
    Setting("port", "PORT", "10095", _PORT, "WebSocket port; 0: any that is free"),
    Setting("probe-port", "PORT", "8081", _PORT, "port of /livez, /readyz and /metrics"),
    Setting("cert", "FILE", "", _path_or_none, "certificate chain in PEM for wss://; watched"),
    Setting("key", "FILE", "", _path_or_none, "its private key in PEM, without a password"),
    Setting(
        "auth-tokens",
        "FILE",
        "",
        _path_or_none,
        "a token a line, watched: others get HTTP 401. As Authorization: Bearer, or as ?token=",
    ),
    Setting("live-config", "FILE", "", _path_or_none, "watched JSON that wins over the flags"),
    Setting("batch-size", "N", "16", _whole(1, 4096), "utterances in one batch at most"),
    Setting("batch-audio-s", "S", "120", _number(0.1, 36000), "padded audio seconds in one batch"),
    Setting("max-wait-ms", "MS", "20", _number(0, 10000), "how long an idle engine waits for more"),
    Setting(
        "max-sessions", "N", "200", _whole(1, 100000), "sessions at a time; others get HTTP 503"
    ),
    Setting("hotwords", "WORDS", "", str, "what all sessions prefer: 'WORD WORD' or JSON"),
    Setting(
        "max-sessions-per-address",
        "N",
        "0",
        _whole(0, 100000),
        "sessions of one address; 0: no limit, as behind a proxy all have the same",
    ),
    Setting(
        "shed-late-ms",
        "MS",
        "100",
        _number(0, 60000),
        "how late live speech may be before partials are thinned out; twice that: no partials in "
        "2pass, then files wait; three times: new sessions get HTTP 503; 0: none of it",
    ),
    Setting(
        "partial-interval-ms",
        "MS",
        "2400",
        _number(0, 60000),
        "how much speech is between partials that are thinned out",
    ),
    Setting(
        "max-message-bytes",
        "BYTES",
        str(64 * 1024 * 1024),
        _whole(4096, 1 << 30),
        "longest WebSocket message; some stock clients send a file as one",
    ),
    Setting(
        "max-utterance",
        "S",
        "14400",
        _number(1, 86400),
        "longest input in seconds: by default a long meeting",
        "max_utterance_s",
    ),
    Setting(
        "audio-buffer-mb",
        "MB",
        "512",
        _whole(1, 1 << 20),
        "memory for audio that waits; taken as needed, 1 MB is 31 s",
    ),
    Setting(
        "decoders",
        "N",
        "16",
        _whole(0, 1024),
        "mp3, m4a, ogg and other files that ffmpeg decodes at a time; 0: only pcm and wav",
    ),
    Setting(
        "idle-timeout",
        "S",
        "300",
        _number(1, 86400),
        "seconds without a message after which a session is closed",
        "idle_timeout_s",
    ),
    Setting(
        "drain-timeout",
        "S",
        "600",
        _number(0, 86400),
        "seconds that open sessions may take to finish after SIGTERM",
        "drain_timeout_s",
    ),
    Setting("termination-log", "FILE", str(TERMINATION_LOG), Path, "where to write a failed start"),
    Setting("log-level", "NAME", "info", _LEVELS, "debug, info, warning or error"),
)
