"""A FunASR server's JSON messages as frozen values: what a client reads. Pure.

Tolerant, because servers differ: a field that is missing or makes no sense is as if it were not
there. Source: FunASR runtime/docs/websocket_protocol.md and its three servers (v1.4.3).
"""

from dataclasses import dataclass
from typing import Any, TypeGuard

import msgspec

from asr_server.speech.subtitles import Cue


@dataclass(frozen=True, slots=True)
class ServerReply:
    """One message of a server."""

    mode: str
    text: str
    final: bool
    error: str | None
    acknowledges: bool
    """Whether it only says that the end of the input was seen."""
    received_ms: int | None
    span_ms: tuple[int, int] | None
    """When the utterance that ends here was said, where the server tells."""
    cues: tuple[Cue, ...]
    """When its text was said, sentence by sentence, where the server tells."""
    name: str = ""
    """Of the input."""
    placed: bool = False
    """Whether the span surely counts from the start of the input: a `timestamp` alone may be that
    of a segment."""


def parse_reply(message: str | bytes) -> ServerReply:
    """Parse a message. Raises ValueError when it is no JSON object."""
    try:
        fields = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the server sent a message that is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("the server sent a message that is no JSON object")
    text, problem = _text(fields.get("text")), fields.get("error")
    received_ms = fields.get("received_ms")
    span_ms = _parse_span(fields)
    return ServerReply(
        mode=_text(fields.get("mode")),
        text=text,
        final=fields.get("is_final") is True,
        error=None if problem is None else str(problem),
        acknowledges=fields.get("is_end") is True,
        received_ms=received_ms if _is_time(received_ms) else None,
        span_ms=span_ms,
        cues=_parse_sentences(fields.get("stamp_sents"))
        or ((Cue(*span_ms, text),) if span_ms and text else ()),
        name=_text(fields.get("wav_name")),
        placed=_is_time(fields.get("start_time")),
    )


def join_words(words: str) -> str:
    """Join the tokens of a sentence: spaces stay between words of Latin letters alone."""
    joined = ""
    for word in words.split():
        spaced = joined and joined[-1].isascii() and word[0].isascii()
        joined += f" {word}" if spaced else word
    return joined


def _parse_span(fields: dict[str, Any]) -> tuple[int, int] | None:
    start, end = fields.get("start_time"), fields.get("end_time")
    if _is_time(start) and _is_time(end):
        return start, end
    stamps = fields.get("timestamp")  # a list of [start, end] per token, or JSON text of it
    if isinstance(stamps, str):
        try:
            stamps = msgspec.json.decode(stamps)
        except (msgspec.DecodeError, RecursionError):
            return None
    match stamps:
        case [[start, end]] | [[start, _], *_, [_, end]] if _is_time(start) and _is_time(end):
            return start, end
    return None


def _parse_sentences(value: object) -> tuple[Cue, ...]:
    found = [_parse_sentence(each) for each in value] if isinstance(value, list) else []
    return tuple(cue for cue in found if cue is not None) if all(found) else ()


def _parse_sentence(value: object) -> Cue | None:
    if not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    if not (_is_time(start) and _is_time(end)):
        return None
    return Cue(start, end, join_words(_text(value.get("text_seg"))) + _text(value.get("punc")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
