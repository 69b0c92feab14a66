"""Punctuation of a batch of texts: tokens in, text out.

A text is read twenty tokens at a time. What follows its last full stop so far is read again
together with the next twenty, so that marks are placed with what comes after them in view
(`CTTransformer.inference` of FunASR 1.4.16). Texts of a batch go through these rounds together.
Where nothing is marked, a round is cut off at a thousand tokens: FunASR reads ever longer ones, and
an hour of one repeated word would occupy the engine for hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from asr_server.models import ct_transformer, overflow, staging
from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder

_ROUND_TOKENS = 20
_LONG_SENTENCE_TOKENS = 200
LONGEST_READ_TOKENS = 1000
_UNKNOWN = "<unk>"
_NONE, _COMMA, _STOP, _QUESTION = "_", "，", "。", "？"
_ENDS = (_STOP, _QUESTION)
_ASCII = {_COMMA: ",", _STOP: ".", _QUESTION: "?"}


@dataclass(slots=True)
class Draft:
    """One text on its way through the rounds."""

    ids: Sequence[int]
    start: int = 0
    stop: int = _ROUND_TOKENS
    marks: list[str] = field(default_factory=list)

    @property
    def unread(self) -> Sequence[int]:
        """The tokens of the next round: the unfinished sentence and twenty more."""
        return self.ids[self.start : self.stop]

    @property
    def is_done(self) -> bool:
        """Whether every token has its mark."""
        return len(self.marks) == len(self.ids)

    def accept(self, marks: list[str]) -> None:
        """Take the marks of a round: all at the end of the text, else up to the last sentence."""
        if self.stop < len(self.ids):
            marks = marks[: _find_cut(marks)]
        self.marks += marks
        self.start += len(marks)
        self.stop += _ROUND_TOKENS


class Punctuation:
    """Punctuates texts, one round of all of them per forward pass."""

    def __init__(
        self,
        network: ct_transformer.CtTransformer,
        symbols: Sequence[str],
        marks: Sequence[str],
        device: torch.device,
    ):
        self.network = network
        self.ids = {symbol: number for number, symbol in enumerate(symbols)}
        self.marks = marks
        self.device = device

    def punctuate(self, texts: Sequence[Sequence[str]]) -> list[str]:
        """Return each text, given as tokens, with its punctuation; no tokens give no text.

        Raises ArithmeticError when the network's output is not a number.
        """
        unknown = self.ids[_UNKNOWN]
        drafts = [Draft([self.ids.get(token, unknown) for token in text]) for text in texts]
        while running := [draft for draft in drafts if not draft.is_done]:
            best = overflow.choose(self.probe([draft.unread for draft in running])).tolist()
            rows = [row[: len(each.unread)] for each, row in zip(running, best, strict=True)]
            overflow.check(rows, "the punctuation model")
            for draft, row in zip(running, rows, strict=True):
                draft.accept([self.marks[i] for i in row])
        return [render(text, draft.marks) for text, draft in zip(texts, drafts, strict=True)]

    def probe(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the scores of the marks after each token: (rows, tokens, marks)."""
        lengths = [len(row) for row in rows]
        width = max(lengths)
        padded = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        with torch.inference_mode():
            scores: Tensor = self.network(staging.put(padded, self.device), lengths)
        return scores


def render(tokens: Sequence[str], marks: Sequence[str]) -> str:
    """Write tokens with the mark after each: ASCII marks, spaces and capitals for ASCII words.

    The text always ends with a full stop or a question mark.
    """
    text = ""
    before = _STOP
    last = len(tokens) - 1
    for position, (token, mark) in enumerate(zip(tokens, marks, strict=True)):
        is_word = token.isascii()
        if is_word and position and tokens[position - 1].isascii():
            text += " "
        text += token.capitalize() if is_word and before in _ENDS else token
        if position == last and mark not in _ENDS:
            mark = _STOP
        if mark not in (_NONE, _UNKNOWN):
            text += _ASCII.get(mark, mark) if is_word else mark
        before = mark
    return text


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Punctuation:
    """Load a CT-Transformer model folder; ModelError says what does not fit."""
    folder.check_class("CTTransformer")
    config = folder.read_config(ct_transformer.CtTransformerConfig)
    symbols = folder.read_tokens()
    if _UNKNOWN not in symbols:
        raise ModelError(f"{folder.path / 'tokens.json'} has no {_UNKNOWN}")
    if (folder.path / "jieba_usr_dict").exists():
        raise ModelError(
            f"{folder.path} punctuates dictionary words (jieba_usr_dict), which this server does "
            "not support; give a CT-Transformer of characters, or none"
        )
    with torch.device("meta"):
        network = ct_transformer.CtTransformer(config, len(symbols))
    folder.load_weights(network, device, dtype)
    return Punctuation(network, symbols, config.model_conf.punc_list, device)


def _find_cut(marks: list[str]) -> int:
    """Return how many tokens of an unfinished text are final; may make a comma a full stop."""
    inner = range(len(marks) - 2, 1, -1)
    for position in inner:
        if marks[position] in _ENDS:
            return position + 1
    if len(marks) > _LONG_SENTENCE_TOKENS:
        for position in inner:
            if marks[position] == _COMMA:
                marks[position] = _STOP
                return position + 1
    return len(marks) - 1 if len(marks) > LONGEST_READ_TOKENS else 0
