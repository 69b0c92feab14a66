"""FunASR's JSON messages to frozen values and back: here and in `times` their names are spelled.

Tolerant in what it takes, because the stock clients differ; what cannot be understood comes back as
a value with a reason, never as an exception. Pure.
Source: FunASR runtime/docs/websocket_protocol.md and the clients under runtime/ (v1.4.3).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from asr_server.speech import times
from asr_server.speech.audio import MAX_RATE_HZ, MIN_RATE_HZ, SAMPLE_RATE_HZ, Container
from asr_server.speech.effects import ChunkSize, LiveMode, Mode
from asr_server.speech.hints import AUTO, Hints
from asr_server.speech.hotwords import Hotword, parse_hotwords
from asr_server.speech.riff import AudioError
from asr_server.speech.words import NO_WORDS, Words

T = TypeVar("T")

MAX_CONTROL_CHARS = 256 * 1024
MAX_NAME_CHARS = 1024
MAX_LANGUAGE_CHARS = 32

_LIVE_MODES: dict[str, LiveMode] = {"online": "online", "2pass": "2pass"}
_PARTIAL_LABELS: dict[Mode, str] = {"online": "online", "2pass": "2pass-online"}
_FINAL_LABELS: dict[Mode, str] = {"online": "online", "2pass": "2pass-offline"}
_MODES = {"": "offline", "office": "offline"}  # the C# client's file mode says "office"
_RAW = ("", "pcm")  # all else is the name of a file's format, or "others", the C++ client's word
_LIVE_FORMATS = (*_RAW, "wav", "others")  # a live input has no end to wait for
ONLY_PCM = "ERROR. Real-time transcription service ONLY SUPPORT PCM stream."  # FunASR's words
DEFAULT_CHUNK_SIZE: ChunkSize = (5, 10, 5)
MAX_CHUNK_FRAMES = 60
_CHUNK_SEPARATOR = re.compile(r"\s*[,\s-]\s*")
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True, slots=True)
class Options:
    """What a client said about its inputs; FunASR's servers keep it until it says otherwise."""

    mode: str = "offline"
    name: str = "wav-default-id"
    format: str = "pcm"
    sample_rate_hz: int = SAMPLE_RATE_HZ
    hotwords: tuple[Hotword, ...] = ()
    chunk_size: ChunkSize = DEFAULT_CHUNK_SIZE
    language: str = AUTO
    itn: bool = True
    svs_itn: bool = True

    @property
    def hints(self) -> Hints:
        """What may help the recogniser; ITN is wanted unless either field says that it is not."""
        words = tuple(hotword.word for hotword in self.hotwords)
        return Hints(self.language, self.itn and self.svs_itn, words)

    @property
    def live(self) -> LiveMode | None:
        """The mode, if inputs are recognised while they are spoken."""
        return _LIVE_MODES.get(self.mode)

    @property
    def served(self) -> Mode:
        """The mode that messages are labelled with, also when the client's own is not known."""
        return self.live or "offline"

    @property
    def container(self) -> Container:
        """What the bytes of the input are."""
        return Container.PCM if self.format in _RAW else Container.FILE

    @property
    def problem(self) -> str | None:
        """Say why inputs with these options cannot be recognised, if so."""
        if self.mode not in ("offline", *_LIVE_MODES):
            return f"mode {self.mode[:32]!r}: offline, online and 2pass are served"
        if self.live and self.format not in _LIVE_FORMATS:
            return ONLY_PCM
        return None

    def explain(self, error: AudioError) -> str:
        """Say why audio with these options cannot be read, in the words that clients know."""
        return ONLY_PCM if self.live and self.container is Container.FILE else str(error)


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


@dataclass(frozen=True, slots=True)
class LiveFinal:
    """The end of an utterance of a live input, in milliseconds of the input."""

    text: str
    start_ms: int
    end_ms: int
    words: Words = NO_WORDS


def render_partial(mode: LiveMode, name: str, text: str) -> str:
    """Render what was added to the utterance that is open."""
    return _render(_PARTIAL_LABELS[mode], name, text=text)


def render_live_final(
    mode: LiveMode, name: str, found: LiveFinal, *, last: bool, error: str | None = None
) -> str:
    """Render the final of an utterance; `last` says that no more comes about its input."""
    span = {"start_time": found.start_ms, "end_time": found.end_ms}
    more = span | times.render(found.text, found.words)
    return _render(_FINAL_LABELS[mode], name, text=found.text, final=last, error=error, more=more)


def render_final(
    mode: Mode, name: str, text: str, error: str | None = None, words: Words = NO_WORDS
) -> str:
    """Render the last message about an input. Without a transcript, `error` says why."""
    label = _FINAL_LABELS.get(mode, "offline")
    shown = ONLY_PCM if error == ONLY_PCM else text  # stock clients show the text alone
    return _render(label, name, text=shown, final=True, error=error, more=times.render(text, words))


def render_error(mode: Mode, name: str, error: str) -> str:
    """Render a message about something that does not end an input.

    It has the label of partials: clients take a final without text for the end of what they show.
    """
    return _render(_PARTIAL_LABELS.get(mode, "offline"), name, error=error)


def render_acknowledgement(
    mode: Mode, name: str, received_ms: int, processed_ms: int, error: str | None = None
) -> str:
    """Render the acknowledgement of an end, for clients that ask for it.

    FunASR's client (v1.4.0 on) takes it as a success only when is_final is true.
    """
    end = {"is_end": True, "received_ms": received_ms, "processed_ms": processed_ms}
    label = _FINAL_LABELS.get(mode, "offline")
    return _render(label, name, final=error is None, error=error, more=end)


def _render(
    label: str,
    name: str,
    *,
    text: str = "",
    final: bool = False,
    error: str | None = None,
    more: dict[str, Any] | None = None,
) -> str:
    message = {"mode": label, "text": text, "wav_name": name, "is_final": final, **(more or {})}
    if error is not None:
        message["error"] = error
    return msgspec.json.encode(message).decode()


def _parse_fields(fields: dict[str, Any], options: Options) -> Control:
    problems: list[str] = []

    def take(key: str, parse: Callable[[object], T], default: T, *, matters: bool = True) -> T:
        if key not in fields:
            return default
        try:
            return parse(fields[key])
        except (ValueError, OverflowError) as error:
            if matters:
                problems.append(f"{key}: {error}")
            return default

    said = replace(
        options,
        mode=take("mode", _parse_mode, options.mode),
        name=take("wav_name", _parse_name, options.name),
        format=take("wav_format", _parse_word, options.format),
        sample_rate_hz=take("audio_fs", _parse_rate, options.sample_rate_hz),
        hotwords=take("hotwords", parse_hotwords, options.hotwords),
        language=take("svs_lang", _parse_language, options.language, matters=False),
        itn=take("itn", _parse_boolean, options.itn, matters=False),
        svs_itn=take("svs_itn", _parse_boolean, options.svs_itn, matters=False),
    )
    matters = said.live is not None
    chunks = take("chunk_size", _parse_chunk_size, options.chunk_size, matters=matters)
    said = replace(said, chunk_size=chunks)
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


def _parse_language(value: object) -> str:
    return _parse_word(value)[:MAX_LANGUAGE_CHARS] or AUTO


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


def _parse_chunk_size(value: object) -> ChunkSize:
    """Parse [5, 10, 5], "5,10,5" or "5-10-5": look-back, chunk, look-ahead in 60 ms."""
    wanted = f"must be three whole numbers up to {MAX_CHUNK_FRAMES} like [5, 10, 5]; the 2nd not 0"
    found = _CHUNK_SEPARATOR.split(value.strip(" []")) if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) != 3:
        raise ValueError(wanted)
    frames = [_parse_frames(each) for each in found]
    if any(each is None or each > MAX_CHUNK_FRAMES for each in frames) or not frames[1]:
        raise ValueError(wanted)
    back, chunk, ahead = frames
    return back or 0, chunk or 0, ahead or 0


def _parse_frames(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return int(value) if value == int(value) else None
    return None


def _parse_boolean(value: object) -> bool:
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known
