"""Scores that are no numbers: an overflow of float16, or broken weights. They are no answer."""

from collections.abc import Sequence

from torch import Tensor

from asr_server.models.errors import no_number

NO_SYMBOL = -1


def choose(scores: Tensor) -> Tensor:
    """Return the best symbol of (..., symbols), int64 (...); NO_SYMBOL where a score is NaN."""
    best = scores.max(dim=-1)
    return best.indices.where(best.values.isfinite(), NO_SYMBOL)


def check(rows: Sequence[Sequence[int]], model: str) -> None:
    """Raise ArithmeticError unless all are symbols; `model` names what chose them."""
    if any(min(row, default=0) == NO_SYMBOL for row in rows):
        raise no_number(model)
