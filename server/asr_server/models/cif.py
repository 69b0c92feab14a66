"""Continuous integrate-and-fire: how many tokens were spoken, and one embedding for each.

Dong and Xu, "CIF: Continuous Integrate-and-Fire for End-to-End Speech Recognition" (2020);
keys as in `CifPredictorV2` of FunASR 1.4.16. There is no loop over frames: with P the running sum
of the weights, frame t covers the interval P[t-1]..P[t], token k the interval k..k+1, and the
share of t in k is the length of their overlap. Rows that never fire are nothing special. A stream
carries what its last, unfinished token has so far.
"""

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional


class CifConfig(msgspec.Struct, frozen=True):
    """`predictor_conf` of a FunASR config.yaml."""

    idim: int
    l_order: int
    r_order: int
    threshold: float = 1.0
    smooth_factor: float = 1.0
    noise_threshold: float = 0.0
    tail_threshold: float = 0.0
    tail_mask: bool = True

    def __post_init__(self) -> None:
        if self.threshold != 1.0 or not self.tail_mask:
            raise ValueError("threshold must be 1 and tail_mask true")


class CifPredictor(nn.Module):
    """Weighs encoder frames so that the weights of one token sum to one."""

    def __init__(self, config: CifConfig):
        super().__init__()
        self.config = config
        kernel_size = config.l_order + config.r_order + 1
        self.cif_conv1d = nn.Conv1d(config.idim, config.idim, kernel_size)
        self.cif_output = nn.Linear(config.idim, 1)

    def forward(self, hidden: Tensor, counted: Tensor) -> Tensor:
        """Return the weight of each frame, float32 (rows, time); 0 where it is not `counted`.

        `hidden` (rows, time, size) must be zero in padded frames: the convolution looks past a
        row's end.
        """
        config = self.config
        context = self.look_around(hidden)
        weights: Tensor = self.cif_output(context).squeeze(-1).float().sigmoid_()
        weights = (weights * config.smooth_factor - config.noise_threshold).relu_()
        return weights.mul_(counted)

    def look_around(self, hidden: Tensor) -> Tensor:
        """Return what each frame and its neighbours tell, (rows, time, size)."""
        padded = functional.pad(hidden.transpose(1, 2), (self.config.l_order, self.config.r_order))
        context: Tensor = self.cif_conv1d(padded).relu_().transpose(1, 2)
        return context


def accumulate(weights: Tensor, carried: Tensor, tail: Tensor | None = None) -> Tensor:
    """Return the running sum of weights before and after each frame, float64 (rows, time + 2).

    It starts at what is `carried` (rows); the `tail` weight (rows) comes after a row's last frame
    and lets a nearly complete last token fire. Without one there are time + 1 sums.
    """
    parts = [carried[:, None], weights.double()]
    if tail is not None:
        parts.append(tail[:, None])
    return torch.cat(parts, dim=1).cumsum(dim=1)


def count_tokens(sums: Tensor) -> Tensor:
    """Return how often each row fires, int64 (rows), from the running sums of its weights.

    A row whose weights are not numbers has -1.
    """
    return sums[:, -1].float().floor().nan_to_num(nan=-1.0).long()


def integrate(hidden: Tensor, sums: Tensor, tokens: int) -> Tensor:
    """Return the embeddings of the first `tokens` tokens, (rows, tokens, size).

    `hidden` (rows, time, size) is zero in padded frames; `sums` (rows, time + 2) comes from
    `accumulate`. The embedding after a row's own count is what its unfinished token has so far;
    those beyond it are unspecified.
    """
    before, after = sums[:, None, :-2], sums[:, None, 1:-1]
    token = torch.arange(tokens, device=sums.device, dtype=sums.dtype)[:, None]
    shares = torch.minimum(after, token + 1) - torch.maximum(before, token)
    return shares.clamp_(min=0).to(hidden.dtype) @ hidden
