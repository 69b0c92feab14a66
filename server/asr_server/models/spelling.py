"""Hotwords in the symbols of a recogniser. The folder's `seg_dict`, if there is one, says of words
how they are spelled; Chinese characters, and words that are a symbol themselves, need none.
"""

from collections.abc import Mapping, Sequence

from asr_server.models import tokens
from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder

_SEG_DICT = "seg_dict"


class Speller:
    """Knows the symbols of one recogniser; `spellings` has those of words, with spaces between."""

    def __init__(self, symbols: Sequence[str], spellings: Mapping[str, str]):
        self._ids = {symbol: place for place, symbol in enumerate(symbols)}
        self._spellings = spellings

    def spell(self, hotword: str) -> tuple[int, ...] | None:
        """Return the symbols of a word or phrase; None where there are none for a part of it.

        FunASR 1.4.16 says `<unk>` for such a part, and for every word that mixes scripts.
        """
        found: list[int] = []
        for word in hotword.lower().split():
            parts = self._spellings.get(word, "").split() or [
                piece for token in tokens.split(word) for piece in self._split(token)
            ]
            ids = [self._ids.get(part) for part in parts]
            if not ids:
                return None
            for known in ids:
                if known is None:
                    return None
                found.append(known)
        return tuple(found) or None

    def _split(self, token: str) -> Sequence[str]:
        if token in self._spellings:
            return self._spellings[token].split()
        if token not in self._ids and token.isdigit():
            return [part for digit in token for part in self._spellings.get(digit, digit).split()]
        return (token,)


def load(folder: ModelFolder, symbols: Sequence[str]) -> Speller:
    """Read how words are spelled in these symbols; ModelError where that is not text."""
    path = folder.path / _SEG_DICT
    spellings: dict[str, str] = {}
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: {error}; it must be text, a word a line") from error
        for line in lines:
            word, *pieces = line.split(maxsplit=1) or [""]
            spellings[word] = "".join(pieces)
    return Speller(symbols, spellings)
