"""Tokens and text. A token is a Chinese character or a whole ASCII word, as the punctuation model
sees them; the pieces of a recogniser's token list are made into tokens here and nowhere else.
"""

import re
from collections.abc import Iterable, Sequence

_NOT_SPOKEN = frozenset({"<blank>", "<s>", "</s>", "<unk>", "<OOV>"})
_TOKEN = re.compile(r"[\x21-\x7e]+|[^\x00-\x7f]")
_SPELLED = re.compile(r"(?<![^ ])[A-Za-z](?: [A-Za-z])+(?![^ ])")


def from_pieces(pieces: Iterable[str]) -> tuple[str, ...]:
    """Make tokens of a token list's pieces.

    A piece ending in `@@` goes on in the next one; spelled letters become one upper-case word
    (`sentence_postprocess` of FunASR 1.4.16); special symbols are left out.
    """
    text = ""
    is_open = False
    for piece in pieces:
        if piece in _NOT_SPOKEN:
            continue
        is_word = piece[0].isascii() and not piece[0].isdigit()
        if is_word and not is_open and text and text[-1].isascii():
            text += " "
        text += piece.removesuffix("@@")
        is_open = piece.endswith("@@")
    return split(_SPELLED.sub(lambda letters: letters[0].replace(" ", "").upper(), text))


def split(text: str) -> tuple[str, ...]:
    """Split text into tokens."""
    return tuple(_TOKEN.findall(text))


def join(tokens: Sequence[str]) -> str:
    """Join tokens to text: a space between two ASCII words, none beside Chinese characters."""
    text = ""
    for token in tokens:
        if text and text[-1].isascii() and token[0].isascii():
            text += " "
        text += token
    return text
