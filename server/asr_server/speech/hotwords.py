"""Hotwords: words that the model should prefer, in every form that stock clients send them.

Pure. Whatever comes in, at most MAX_HOTWORDS words of MAX_HOTWORD_CHARS characters come out, and of
MAX_HOTWORDS_CHARS in all; more is an error, for a list that is cut would be a riddle to those who
wrote it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

MAX_HOTWORDS = 1000
MAX_HOTWORD_CHARS = 64
MAX_HOTWORDS_CHARS = 10_000
DEFAULT_WEIGHT = 20  # what FunASR's own clients give a word without a weight
MAX_WEIGHT = 1000

_SEPARATORS = re.compile("[\\s,;\uff0c\u3001\uff1b]+")


@dataclass(frozen=True, slots=True)
class Hotword:
    """A word and how strongly the model should prefer it."""

    word: str
    weight: int = DEFAULT_WEIGHT


def parse_hotwords(value: object) -> tuple[Hotword, ...]:
    """Parse an object (word to weight), a list, or text that holds either or separated words.

    Raises ValueError for any other kind of value, and for words that are too many or too long.
    """
    if isinstance(value, str):
        value = _parse_text(value)
    if isinstance(value, dict):
        return _collect(value.items())
    if isinstance(value, list):
        return _collect((word, DEFAULT_WEIGHT) for word in value)
    raise ValueError("hotwords must be text, a list of words, or an object of words and weights")


def _parse_text(text: str) -> object:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict | list) else _SEPARATORS.split(text)


def _collect(pairs: Iterable[tuple[object, object]]) -> tuple[Hotword, ...]:
    found = {
        word.strip(): _parse_weight(weight)
        for word, weight in pairs
        if isinstance(word, str) and word.strip()
    }
    if len(found) > MAX_HOTWORDS:
        raise ValueError(f"there may be {MAX_HOTWORDS} words, not {len(found)}")
    if any(len(word) > MAX_HOTWORD_CHARS for word in found):
        raise ValueError(f"a word may have {MAX_HOTWORD_CHARS} characters, not more")
    chars = sum(map(len, found))
    if chars > MAX_HOTWORDS_CHARS:
        raise ValueError(f"all words may have {MAX_HOTWORDS_CHARS} characters, not {chars}")
    return tuple(Hotword(word, weight) for word, weight in found.items())


def _parse_weight(weight: object) -> int:
    if isinstance(weight, int | float) and 1 <= weight <= MAX_WEIGHT:
        return int(weight)
    return DEFAULT_WEIGHT
