"""Paraformer's decoder: it refines all tokens at once, with a memory and attention to the audio.

Keys and numerics as in FunASR 1.4.16, `ParaformerSANMDecoder`.
"""

from typing import Literal

import msgspec
from torch import Tensor, nn

from asr_server.models import sanm


class DecoderConfig(msgspec.Struct, frozen=True):
    """`decoder_conf` of a FunASR config.yaml."""

    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    att_layer_num: int = 6
    kernel_size: int = 21
    sanm_shfit: int = 0
    normalize_before: bool = True

    def __post_init__(self) -> None:
        if not self.normalize_before:
            raise ValueError("normalize_before must be true")


class CrossAttention(nn.Module):
    """Tokens look at the encoded audio."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.linear_q = nn.Linear(size, size)
        self.linear_k_v = nn.Linear(size, 2 * size)
        self.linear_out = nn.Linear(size, size)

    def forward(self, inputs: Tensor, memory: Tensor, attended: Tensor | None) -> Tensor:
        """Map (rows, tokens, size) with memory (rows, time, size) to (rows, tokens, size)."""
        key, value = self.linear_k_v(memory).chunk(2, dim=-1)
        context = sanm.attention(self.linear_q(inputs), key, value, self.heads, attended)
        result: Tensor = self.linear_out(context)
        return result

    def weigh(self, inputs: Tensor, memory: Tensor, attended: Tensor | None) -> Tensor:
        """Return how much each token attends to what: (rows, heads, tokens, time), summing to 1."""
        key, _ = self.linear_k_v(memory).chunk(2, dim=-1)
        return sanm.attention_weights(self.linear_q(inputs), key, self.heads, attended)


class DecoderFeedForward(nn.Module):
    """The decoder's feed-forward: a norm between the maps, no bias in the second."""

    def __init__(self, size: int, units: int):
        super().__init__()
        self.w_1 = nn.Linear(size, units)
        self.w_2 = nn.Linear(units, size, bias=False)
        self.norm = nn.LayerNorm(units, sanm.LAYER_NORM_EPS)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., size) to (..., size)."""
        result: Tensor = self.w_2(self.norm(self.w_1(inputs).relu_()))
        return result


class DecoderLayer(nn.Module):
    """Feed-forward, memory over the tokens, attention to the audio; or fewer of these."""

    def __init__(self, size: int, config: DecoderConfig, parts: Literal["all", "memory", "none"]):
        super().__init__()
        norms = {"all": 3, "memory": 2, "none": 1}[parts]
        self.feed_forward = DecoderFeedForward(size, config.linear_units)
        self.norm1 = nn.LayerNorm(size, sanm.LAYER_NORM_EPS)
        self.self_attn = self.src_attn = None
        if norms >= 2:
            self.norm2 = nn.LayerNorm(size, sanm.LAYER_NORM_EPS)
            self.self_attn = sanm.FsmnMemory(size, config.kernel_size, config.sanm_shfit)
        if norms == 3:
            self.norm3 = nn.LayerNorm(size, sanm.LAYER_NORM_EPS)
            self.src_attn = CrossAttention(size, config.attention_heads)

    def forward(
        self,
        inputs: Tensor,
        real: Tensor | None,
        memory: Tensor,
        attended: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Map (rows, tokens, size) to (rows, tokens, size); the filter uses `known` in a stream."""
        hidden = self._remember(inputs, real, known)
        if self.src_attn is not None:
            hidden = hidden + self.src_attn(self.norm3(hidden), memory, attended)
        return hidden

    def weigh(
        self, inputs: Tensor, real: Tensor | None, memory: Tensor, attended: Tensor | None
    ) -> Tensor:
        """Return what this layer attends to, as `CrossAttention.weigh` does."""
        assert self.src_attn is not None
        return self.src_attn.weigh(self.norm3(self._remember(inputs, real)), memory, attended)

    def _remember(self, inputs: Tensor, real: Tensor | None, known: Tensor | None = None) -> Tensor:
        hidden: Tensor = self.feed_forward(self.norm1(inputs))
        if self.self_attn is not None:
            hidden = self.self_attn(self.norm2(hidden), real, known) + inputs
        return hidden


class DecoderLayers(nn.Module):
    """What a decoder has below its output layer."""

    def __init__(self, size: int, config: DecoderConfig):
        super().__init__()
        attending = config.att_layer_num
        self.decoders = nn.ModuleList([DecoderLayer(size, config, "all") for _ in range(attending)])
        self.decoders2 = nn.ModuleList(
            [DecoderLayer(size, config, "memory") for _ in range(config.num_blocks - attending)]
        )
        self.decoders3 = nn.ModuleList([DecoderLayer(size, config, "none")])
        self.after_norm = nn.LayerNorm(size, sanm.LAYER_NORM_EPS)

    @property
    def filters(self) -> list[sanm.FsmnMemory]:
        """The layers' filters over the tokens, in order."""
        return [layer.self_attn for layer in (*self.decoders, *self.decoders2)]

    def refine(
        self,
        embeddings: Tensor,
        real: Tensor | None,
        memory: Tensor,
        attended: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Map (rows, tokens, size) to (rows, tokens, size); `real` is (rows, tokens, 1).

        In a stream `known` (filters, rows, reach + tokens, size) has the tokens before; the new
        ones are written behind them.
        """
        hidden = embeddings
        for place, layer in enumerate((*self.decoders, *self.decoders2)):
            hidden = layer(hidden, real, memory, attended, None if known is None else known[place])
        for layer in self.decoders3:
            hidden = layer(hidden, real, memory, attended)
        result: Tensor = self.after_norm(hidden)
        return result

    def weigh(
        self, embeddings: Tensor, real: Tensor, memory: Tensor, attended: Tensor, *, layer: int
    ) -> Tensor:
        """Return how much each token attends to what in one layer, as `CrossAttention.weigh`."""
        hidden = embeddings
        for below in self.decoders[:layer]:
            hidden = below(hidden, real, memory, attended)
        asked = self.decoders[layer]
        assert isinstance(asked, DecoderLayer)
        return asked.weigh(hidden, real, memory, attended)


class Decoder(DecoderLayers):
    """Acoustic embeddings to token scores; `embed` serves training alone and is not kept."""

    def __init__(self, size: int, vocabulary: int, config: DecoderConfig):
        super().__init__(size, config)
        self.output_layer = nn.Linear(size, vocabulary)

    def forward(
        self,
        embeddings: Tensor,
        real: Tensor | None,
        memory: Tensor,
        attended: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Score (rows, tokens, size) as (rows, tokens, vocabulary), with what `refine` takes."""
        result: Tensor = self.output_layer(self.refine(embeddings, real, memory, attended, known))
        return result
