"""The symbols of a SentencePiece model: what a recogniser's output ids stand for."""

import re
from collections.abc import Sequence

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder

_TAG = re.compile(r"<\|.*\|>")


class SentencePieces:
    """Pieces of text, and tags such as `<|zh|>`."""

    def __init__(self, model: bytes):
        """Read a serialised model; RuntimeError when it is none."""
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.load_from_serialized_proto(model)
        names = [self._processor.id_to_piece(number) for number in range(len(self))]
        self._tags = np.array([bool(_TAG.fullmatch(name)) for name in names])

    def __len__(self) -> int:
        size: int = self._processor.get_piece_size()
        return size

    def write(self, ids: NDArray[np.int64]) -> str:
        """Return the text of ids (symbols), without its tags."""
        text: str = self._processor.decode(ids[~self._tags[ids]].tolist())
        return text


def load(folder: ModelFolder) -> SentencePieces:
    """Read the one `*.bpe.model` of a folder; ModelError when it is absent or damaged."""
    found = sorted(folder.path.glob("*.bpe.model"))
    if len(found) != 1:
        raise ModelError(
            f"{folder.path} has {_count(found)} *.bpe.model; give the one of the model"
        )
    try:
        return SentencePieces(found[0].read_bytes())
    except RuntimeError as error:
        raise ModelError(f"{found[0]} is not a SentencePiece model; copy it again") from error


def _count(found: Sequence[object]) -> str:
    return str(len(found)) if found else "no"
