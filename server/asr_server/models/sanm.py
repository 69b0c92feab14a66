"""SANM: self-attention with an FSMN memory, in Paraformer, SenseVoice and CT-Transformer.

Gao et al., "SAN-M: Memory Equipped Self-Attention for End-to-End Speech Recognition" (2020);
keys and numerics as in FunASR 1.4.16, `funasr/models/sanm`. Inference only: no dropout.

In a stream each part is given what it knows of the past, with room at the end, where it writes the
new positions; without that it sees a whole utterance.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from asr_server.models import masks, staging, time_filter

LAYER_NORM_EPS = 1e-12
_TIMESCALE = 10000.0


class SanmConfig(msgspec.Struct, frozen=True):
    """`encoder_conf` of a FunASR config.yaml."""

    NORM_EPS: ClassVar[float] = LAYER_NORM_EPS

    output_size: int
    input_layer: Literal["pe", "pe_online"]
    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    kernel_size: int = 11
    sanm_shfit: int = 0
    normalize_before: bool = True
    selfattention_layer_type: Literal["sanm"] = "sanm"

    def __post_init__(self) -> None:
        if not self.normalize_before:
            raise ValueError("normalize_before must be true")


class FsmnMemory(nn.Module):
    """A learned filter over time, one per channel, with its input added: (rows, time, size)."""

    def __init__(self, size: int, kernel_size: int, shift: int):
        super().__init__()
        self.fsmn_block = _fsmn_block(size, kernel_size)
        self.shift = shift

    @property
    def reach(self) -> int:
        """How many positions the filter looks back in a stream."""
        return self.fsmn_block.kernel_size[0] - 1

    def forward(self, values: Tensor, real: Tensor | None, known: Tensor | None = None) -> Tensor:
        """Filter; positions that are not `real` (rows, time, 1) count as zero.

        With `known` (rows, reach + time, size) the filter only looks back, and nothing is masked.
        """
        if known is None:
            return _remember(values, None, self.fsmn_block, self.shift, real)
        known[:, self.reach :] = values
        return time_filter.filter_time(known, self.fsmn_block.weight).add_(values)


class SanmAttention(nn.Module):
    """Multi-head self-attention plus the memory of its values."""

    def __init__(self, input_size: int, config: SanmConfig):
        super().__init__()
        self.heads = config.attention_heads
        self.size = config.output_size
        self.shift = config.sanm_shfit
        self.linear_q_k_v = nn.Linear(input_size, 3 * config.output_size)
        self.linear_out = nn.Linear(config.output_size, config.output_size)
        self.fsmn_block = _fsmn_block(config.output_size, config.kernel_size)

    def forward(
        self,
        inputs: Tensor,
        attended: Tensor | None,
        real: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Map (rows, time, input size) to (rows, time, output size).

        `known` (rows, past + time, 2 * output size) has keys and values. The memory sees only the
        positions of `inputs`.
        """
        query, fresh = self.linear_q_k_v(inputs).tensor_split([self.size], dim=-1)
        values = fresh[..., self.size :]
        if known is not None:
            known[:, -inputs.shape[1] :] = fresh
            fresh = known
        key, value = fresh.chunk(2, dim=-1)
        context = self.linear_out(attention(query, key, value, self.heads, attended))
        return _remember(values, context, self.fsmn_block, self.shift, real)


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them."""

    def __init__(self, size: int, units: int):
        super().__init__()
        self.w_1 = nn.Linear(size, units)
        self.w_2 = nn.Linear(units, size)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., size) to (..., size)."""
        result: Tensor = self.w_2(self.w_1(inputs).relu_())
        return result


class SanmLayer(nn.Module):
    """One encoder layer, norms first; without a first residual where the size changes."""

    def __init__(self, input_size: int, config: SanmConfig):
        super().__init__()
        self.self_attn = SanmAttention(input_size, config)
        self.feed_forward = FeedForward(config.output_size, config.linear_units)
        self.norm1 = nn.LayerNorm(input_size, config.NORM_EPS)
        self.norm2 = nn.LayerNorm(config.output_size, config.NORM_EPS)
        self.is_residual = input_size == config.output_size

    def forward(
        self,
        inputs: Tensor,
        attended: Tensor | None,
        real: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Map (rows, time, input size) to (rows, time, output size)."""
        hidden = self.self_attn(self.norm1(inputs), attended, real, known)
        if self.is_residual:
            hidden += inputs
        result: Tensor = hidden + self.feed_forward(self.norm2(hidden))
        return result


class SanmEncoder(nn.Module):
    """Positions, SANM layers and a last norm."""

    def __init__(self, input_size: int, config: SanmConfig):
        super().__init__()
        size = config.output_size
        self.input_size = input_size
        self.scale = math.sqrt(size)
        self.encoders0 = nn.ModuleList([SanmLayer(input_size, config)])
        self.encoders = nn.ModuleList(
            [SanmLayer(size, config) for _ in range(config.num_blocks - 1)]
        )
        self.after_norm = nn.LayerNorm(size, config.NORM_EPS)
        self.positions = torch.empty(0, input_size)

    def forward(self, inputs: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode (rows, time, input size) to (rows, time, output size).

        What comes out beyond a row's length is unspecified. Results for a row do not depend on
        the other rows of the batch, or on its padding, but for rounding.
        """
        width, device = inputs.shape[1], inputs.device
        attended = masks.attended_positions(lengths, width, device)
        real = None
        if attended is not None:
            real = masks.real_positions(lengths, width, device)
        return self.encode(inputs, attended, real)

    def encode(self, inputs: Tensor, attended: Tensor | None, real: Tensor | None) -> Tensor:
        """Do what `forward` does with masks that are there; all positions count where none are.

        `attended` is (rows, 1, 1, time), `real` (rows, time).
        """
        placed = self._place(inputs, self._positions(inputs.shape[1], inputs.device))
        return self.transform(placed, attended, None if real is None else real[..., None])

    def transform(self, placed: Tensor, attended: Tensor | None, real: Tensor | None) -> Tensor:
        """Run the layers over whole utterances whose positions are added."""
        hidden = placed
        for layer in (*self.encoders0, *self.encoders):
            hidden = layer(hidden, attended, real)
        result: Tensor = self.after_norm(hidden)
        return result

    def place(self, inputs: Tensor, starts: Sequence[int]) -> Tensor:
        """Return the first layer's input (rows, time, input size) from a stream's features.

        Row by row, `starts` says how many positions came before. The cost does not depend on it.
        """
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        positions = positions + staging.put_list(starts, inputs.device)[:, None]
        return self._place(inputs, sinusoids(positions, inputs.shape[2]))

    def extend(
        self, placed: Tensor, known: Tensor, attended: Tensor | None, real: Tensor | None
    ) -> Tensor:
        """Encode the next positions of streams, (rows, time, input size).

        `known` (layers, rows, past + time, 2 * output size) has keys and values of the past; those
        of the new positions are written behind them. `attended` (rows, 1, 1, past + time) says
        which of all count.
        """
        hidden = placed
        for layer, known_to_layer in zip((*self.encoders0, *self.encoders), known, strict=True):
            hidden = layer(hidden, attended, real, known_to_layer)
        result: Tensor = self.after_norm(hidden)
        return result

    def _place(self, inputs: Tensor, codes: Tensor) -> Tensor:
        positioned = torch.add(codes, inputs, alpha=self.scale)
        return positioned.to(self.after_norm.weight.dtype)

    def _positions(self, width: int, device: torch.device) -> Tensor:
        """Return the float32 (width, input size) sinusoids, computed once per length seen."""
        known = self.positions  # another thread may replace it by a shorter table at any time
        if len(known) < width or known.device != device:
            table = torch.arange(2 * width, device=device)
            self.positions = known = sinusoids(table, known.shape[1])
        return known[:width]


def _fsmn_block(size: int, kernel_size: int) -> nn.Conv1d:
    return nn.Conv1d(size, size, kernel_size, groups=size, bias=False)


def _remember(
    values: Tensor, context: Tensor | None, block: nn.Conv1d, shift: int, real: Tensor | None
) -> Tensor:
    """Return the filtered values with the values and the context, which is overwritten, added.

    The filtered values come last: on a GPU they are transposed, and the sum shall not be.
    """
    if real is not None:
        values = values * real
    reach = block.kernel_size[0] - 1
    left = reach // 2 + shift
    memory = time_filter.filter_time(values, block.weight, left, reach - left)
    if context is None:
        return values + memory
    return context.add_(values).add_(memory)


def attention(
    query: Tensor, key: Tensor, value: Tensor, heads: int, attended: Tensor | None
) -> Tensor:
    """Scaled dot-product attention of `heads` heads: (rows, time, size) each."""
    rows, _, size = query.shape
    query, key, value = (_split_heads(part, heads) for part in (query, key, value))
    context = functional.scaled_dot_product_attention(query, key, value, attn_mask=attended)
    return context.transpose(1, 2).reshape(rows, -1, size)


def attention_weights(query: Tensor, key: Tensor, heads: int, attended: Tensor | None) -> Tensor:
    """Return the weights of `attention`: (rows, heads, time of query, time of key)."""
    query, key = _split_heads(query, heads), _split_heads(key, heads)
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if attended is not None:
        scores = scores.masked_fill(~attended, -math.inf)
    return scores.softmax(dim=-1)


def _split_heads(values: Tensor, heads: int) -> Tensor:
    rows, _, size = values.shape
    return values.view(rows, -1, heads, size // heads).transpose(1, 2)


def sinusoids(positions: Tensor, size: int) -> Tensor:
    """Return the float32 codes of positions, (..., size): sines, then cosines.

    The first position, 0 here, is 1 to FunASR.
    """
    half = size // 2
    step = math.log(_TIMESCALE) / (half - 1)
    rates = torch.exp(torch.arange(half, dtype=torch.float32, device=positions.device) * -step)
    angles = (positions + 1).float()[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
