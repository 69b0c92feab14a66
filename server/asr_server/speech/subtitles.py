"""Recognised text with its times: subtitles in SubRip and WebVTT. Pure.

Source: the SubRip format as VLC reads it; WebVTT, W3C Candidate Recommendation (2019).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_CHARS = 42  # of one subtitle, about two lines on a screen
_SENTENCE_END = re.compile(r"(?<=[。？！；?!;])|(?<=\.)(?=\s)")
_CLAUSE_END = re.compile(r"(?<=[，、：,:])")


@dataclass(frozen=True, slots=True)
class Cue:
    """A text, and when it is said: milliseconds from the start of the audio."""

    start_ms: int
    end_ms: int
    text: str


def cut_text(text: str, start_ms: int, end_ms: int) -> list[Cue]:
    """Cut a text where it pauses, and give each piece its share of the time, by its length."""
    pieces = [piece for sentence in _split(_SENTENCE_END, text) for piece in _shorten(sentence)]
    total = sum(map(len, pieces))
    cues, spoken = [], 0
    for piece in pieces:
        begin = start_ms + (end_ms - start_ms) * spoken // total
        spoken += len(piece)
        cues.append(Cue(begin, start_ms + (end_ms - start_ms) * spoken // total, piece))
    return cues


def cut_cues(cues: Iterable[Cue]) -> list[Cue]:
    """Cut cues whose texts are too long to be read at once."""
    return [part for cue in cues for part in cut_text(cue.text, cue.start_ms, cue.end_ms)]


def render_srt(cues: Sequence[Cue]) -> str:
    """Render SubRip."""
    blocks = [
        f"{number}\n{_render_time(cue.start_ms, ',')} --> {_render_time(cue.end_ms, ',')}\n"
        f"{_one_line(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def render_vtt(cues: Sequence[Cue]) -> str:
    """Render WebVTT."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = _one_line(cue.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{_render_time(cue.start_ms, '.')} --> {_render_time(cue.end_ms, '.')}"
        blocks.append(f"{times}\n{text}\n")
    return "\n".join(blocks)


def _split(where: re.Pattern[str], text: str) -> list[str]:
    return [piece.strip() for piece in where.split(text) if piece.strip()]


def _shorten(sentence: str) -> list[str]:
    """Cut a long sentence at its commas, then between words, then anywhere."""
    if len(sentence) <= MAX_CHARS:
        return [sentence]
    pieces = [""]
    for clause in _CLAUSE_END.split(sentence):
        if len(pieces[-1]) + len(clause) > MAX_CHARS:
            pieces.append("")
        pieces[-1] += clause
    return [part for piece in pieces for part in _wrap(piece.strip())]


def _wrap(text: str) -> list[str]:
    parts = []
    while len(text) > MAX_CHARS:
        space = text.rfind(" ", 0, MAX_CHARS + 1)
        end = space if space > 0 else MAX_CHARS
        parts.append(text[:end])
        text = text[end:].strip()
    return [*parts, text] if text else parts


def _render_time(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(max(0, milliseconds), 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{point}{thousandths:03d}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
