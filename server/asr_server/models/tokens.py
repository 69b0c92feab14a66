"""Tokens and text. A token is a Chinese character or a whole word in ASCII or Hangul, scripts that
have spaces; the pieces of a recogniser's token list are made into tokens here and nowhere else.
"""

import re
from collections.abc import Iterable, Sequence

_CONTINUED = "@@"
_BLANK, _START, _END = 0, 1, 2
_NOT_SPOKEN = frozenset({"<blank>", "<s>", "</s>", "<unk>", "<OOV>"})
_SPACED = r"\x21-\x7e\uac00-\ud7a3"
_TOKEN = re.compile(rf"[{_SPACED}]+|[^\x00-\x7f]")
_MEETING = re.compile(rf"[{_SPACED}]{{2}}")
_ATTACHED = re.compile(r"[\u4e00-\u9fff0-9]")
_SPELLED = re.compile(r"(?<![A-Za-z'])[A-Za-z](?: [A-Za-z])+(?![A-Za-z'])")


def name_pieces(ids: Iterable[int], symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the pieces that a recogniser's output stands for, without its three special ones."""
    return tuple(symbols[i] for i in ids if i not in (_BLANK, _START, _END))


def count_finished(pieces: Sequence[str]) -> int:
    """Return how many pieces are left when the word that goes on behind the last is taken away."""
    finished = len(pieces)
    while finished and pieces[finished - 1].endswith(_CONTINUED):
        finished -= 1
    return finished


def from_pieces(pieces: Iterable[str]) -> tuple[str, ...]:
    """Make tokens of a token list's pieces.

    A piece ending in `@@` goes on in the next one; Chinese characters and digits attach to what
    they follow; letters spelled one by one become one upper-case word; special symbols are left
    out (`sentence_postprocess` of FunASR 1.4.16).
    """
    return tuple(token for token, _, _ in place_pieces(pieces))


def place_pieces(pieces: Iterable[str]) -> list[tuple[str, int, int]]:
    """Return each token that `from_pieces` makes, and which pieces are its first and last."""
    text = ""
    owners: list[int] = []  # of each character
    is_after_word = False
    for number, piece in enumerate(pieces):
        if piece in _NOT_SPOKEN:
            continue
        if is_after_word and not _ATTACHED.match(piece):
            text += " "
        text += piece.removesuffix(_CONTINUED)
        owners += [number] * (len(text) - len(owners))
        is_after_word = not _ATTACHED.match(piece) and piece.replace("'", "a").isalpha()
    spelled = {place for letters in _SPELLED.finditer(text) for place in range(*letters.span())}
    kept = [place for place in range(len(text)) if place not in spelled or text[place] != " "]
    joined = "".join(text[place].upper() if place in spelled else text[place] for place in kept)
    return [
        (found[0], owners[kept[found.start()]], owners[kept[found.end() - 1]])
        for found in _TOKEN.finditer(joined)
    ]


def split(text: str) -> tuple[str, ...]:
    """Split text into tokens."""
    return tuple(_TOKEN.findall(text))


def join(tokens: Sequence[str], after: str = "") -> str:
    """Join tokens to text: a space between two words, none beside Chinese characters.

    The text continues the character or text `after`: it starts with a space if it has to.
    """
    text = ""
    for token in tokens:
        before = text or after
        if _MEETING.fullmatch(before[-1:] + token[0]):
            text += " "
        text += token
    return text
