"""FunASR's JSON messages to frozen values and back: the only place that spells their names.

Tolerant in what it takes, because the stock clients differ; what cannot be understood comes back as
a value with a reason, never as an exception. Pure.
Source: FunASR runtime/docs/websocket_protocol.md and the clients under runtime/ (v1.4.3).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from asr_server.speech.audio import MAX_RATE_HZ, MIN_RATE_HZ, SAMPLE_RATE_HZ, Container
from asr_server.speech.hotwords import Hotword, parse_hotwords

T = TypeVar("T")

MAX_CONTROL_CHARS = 256 * 1024
MAX_NAME_CHARS = 1024

_MODES = {"": "offline", "office": "offline"}  # the C# client's file mode says "office"
_RAW = ("", "pcm")  # all else is the name of a file's format, or "others", the C++ client's word
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True, slots=True)
class Options:
    """What a client said about its inputs; FunASR's servers keep it until it says otherwise."""

    mode: str = "offline"
    name: str = "wav-default-id"
    format: str = "pcm"
    sample_rate_hz: int = SAMPLE_RATE_HZ
    hotwords: tuple[Hotword, ...] = ()

    @property
    def container(self) -> Container:
        """What the bytes of the input are."""
        return Container.PCM if self.format in _RAW else Container.FILE

    @property
    def problem(self) -> str | None:
        """Say why inputs with these options cannot be recognised, if so."""
        if self.mode != "offline":
            return f"mode {self.mode[:32]!r}: only offline is served by this version"
        return None


@dataclass(frozen=True, slots=True)
class Control:
    """A text message that was understood: the options from now on, and whether the input ends.

    `problem` says which field has a value that makes no sense, if one has.
    """

    options: Options
    ends_input: bool = False
    wants_acknowledgement: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A text message that was not understood, and why."""

    reason: str


def parse_control(text: str, options: Options) -> Control | Malformed:
    """Parse a text message of a client whose options were `options` until now."""
    if len(text) > MAX_CONTROL_CHARS:
        return Malformed(f"a text message may have {MAX_CONTROL_CHARS} characters, not {len(text)}")
    try:
        fields = msgspec.json.decode(text.removeprefix("\ufeff"))
    except (msgspec.DecodeError, RecursionError) as error:
        return Malformed(f"a text message must be JSON: {error}")
    if not isinstance(fields, dict):
        return Malformed("a text message must be a JSON object")
    return _parse_fields(
        {key: value for key, value in fields.items() if value is not None}, options
    )


def render_final(name: str, text: str, error: str | None = None) -> str:
    """Render the one final of an input. Without a transcript, `error` says why."""
    return _render(name, text=text, final=True, error=error)


def render_error(name: str, error: str) -> str:
    """Render a message about something that does not end an input."""
    return _render(name, error=error)


def render_acknowledgement(
    name: str, received_ms: int, processed_ms: int, error: str | None = None
) -> str:
    """Render the acknowledgement of an end, for clients that ask for it.

    FunASR's client (v1.4.0 on) takes it as a success only when is_final is true.
    """
    end = {"is_end": True, "received_ms": received_ms, "processed_ms": processed_ms}
    return _render(name, final=error is None, error=error, end=end)


def _render(
    name: str,
    *,
    text: str = "",
    final: bool = False,
    error: str | None = None,
    end: dict[str, Any] | None = None,
) -> str:
    message = {"mode": "offline", "text": text, "wav_name": name, "is_final": final, **(end or {})}
    if error is not None:
        message["error"] = error
    return msgspec.json.encode(message).decode()


def _parse_fields(fields: dict[str, Any], options: Options) -> Control:
    problems: list[str] = []

    def take(key: str, parse: Callable[[object], T], default: T) -> T:
        if key not in fields:
            return default
        try:
            return parse(fields[key])
        except (ValueError, OverflowError) as error:
            problems.append(f"{key}: {error}")
            return default

    said = replace(
        options,
        mode=take("mode", _parse_mode, options.mode),
        name=take("wav_name", _parse_name, options.name),
        format=take("wav_format", _parse_word, options.format),
        sample_rate_hz=take("audio_fs", _parse_rate, options.sample_rate_hz),
        hotwords=take("hotwords", parse_hotwords, options.hotwords),
    )
    speaking = take("is_speaking", _parse_boolean, default=True)
    finished = take("is_finished", _parse_boolean, default=False)
    acknowledge = take("is_end", _parse_boolean, default=False)
    ends = finished or not speaking
    return Control(said, ends, ends and acknowledge, "; ".join(problems) or None)


def _parse_word(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value.strip().lower()


def _parse_mode(value: object) -> str:
    word = _parse_word(value)
    return _MODES.get(word, word)


def _parse_name(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be text")
    return str(value)[:MAX_NAME_CHARS]


def _parse_rate(value: object) -> int:
    wanted = f"must be a whole number from {MIN_RATE_HZ} to {MAX_RATE_HZ}"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(wanted)
    try:
        rate = float(value)
    except ValueError:
        raise ValueError(wanted) from None
    if not (rate.is_integer() and MIN_RATE_HZ <= rate <= MAX_RATE_HZ):
        raise ValueError(wanted)
    return int(rate)


def _parse_boolean(value: object) -> bool:
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known
