"""Paraformer: non-autoregressive recognition; all tokens of all utterances in one pass.

The streaming Paraformer has the same parts (`streaming_paraformer` runs them chunk by chunk).

Gao et al., "Paraformer: Fast and Accurate Parallel Transformer for Non-autoregressive End-to-End
Speech Recognition" (2022); keys and numerics as in FunASR 1.4.16, `funasr/models/paraformer`.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from torch import Tensor, nn

from asr_server.models import cif, frontend, masks, sanm


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


class ParaformerConfig(msgspec.Struct, frozen=True):
    """config.yaml of a Paraformer model folder."""

    encoder: Literal["SANMEncoder", "SANMEncoderChunkOpt"]
    decoder: Literal["ParaformerSANMDecoder"]
    predictor: Literal["CifPredictorV2"]
    encoder_conf: sanm.SanmConfig
    decoder_conf: DecoderConfig
    predictor_conf: cif.CifConfig
    frontend_conf: frontend.FrontendConfig


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
        hidden: Tensor = self.feed_forward(self.norm1(inputs))
        if self.self_attn is not None:
            hidden = self.self_attn(self.norm2(hidden), real, known) + inputs
        if self.src_attn is not None:
            hidden = hidden + self.src_attn(self.norm3(hidden), memory, attended)
        return hidden


class Decoder(nn.Module):
    """Acoustic embeddings to token scores; `embed` serves training alone and is not kept."""

    def __init__(self, size: int, vocabulary: int, config: DecoderConfig):
        super().__init__()
        attending = config.att_layer_num
        self.decoders = nn.ModuleList([DecoderLayer(size, config, "all") for _ in range(attending)])
        self.decoders2 = nn.ModuleList(
            [DecoderLayer(size, config, "memory") for _ in range(config.num_blocks - attending)]
        )
        self.decoders3 = nn.ModuleList([DecoderLayer(size, config, "none")])
        self.after_norm = nn.LayerNorm(size, sanm.LAYER_NORM_EPS)
        self.output_layer = nn.Linear(size, vocabulary)

    @property
    def filters(self) -> list[sanm.FsmnMemory]:
        """The layers' filters over the tokens, in order."""
        return [layer.self_attn for layer in (*self.decoders, *self.decoders2)]

    def forward(
        self,
        embeddings: Tensor,
        real: Tensor | None,
        memory: Tensor,
        attended: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Score (rows, tokens, size) as (rows, tokens, vocabulary); `real` is (rows, tokens, 1).

        In a stream `known` (filters, rows, reach + tokens, size) has the tokens before; the new
        ones are written behind them.
        """
        hidden = embeddings
        for place, layer in enumerate((*self.decoders, *self.decoders2)):
            hidden = layer(hidden, real, memory, attended, None if known is None else known[place])
        for layer in self.decoders3:
            hidden = layer(hidden, real, memory, attended)
        result: Tensor = self.output_layer(self.after_norm(hidden))
        return result


class Paraformer(nn.Module):
    """Encoder, predictor and decoder."""

    TRAINING_ONLY = ("ctc.", "decoder.embed.")

    def __init__(self, config: ParaformerConfig, vocabulary: int):
        super().__init__()
        size = config.encoder_conf.output_size
        width = config.frontend_conf.n_mels * config.frontend_conf.lfr_m
        self.encoder = sanm.SanmEncoder(width, config.encoder_conf)
        self.predictor = cif.CifPredictor(config.predictor_conf)
        self.decoder = Decoder(size, vocabulary, config.decoder_conf)

    def encode(self, features: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return encoded frames, zero where padded, (rows, time, size), and CIF's running sums."""
        real = masks.real_positions(lengths, features.shape[1], features.device)
        hidden: Tensor = self.encoder(features, lengths)
        hidden = hidden * real[..., None]
        weights = self.predictor(hidden, real)
        nothing = weights.new_zeros(len(weights))
        tail = nothing + self.predictor.config.tail_threshold
        return hidden, cif.accumulate(weights, nothing, tail)

    def decode(
        self, hidden: Tensor, sums: Tensor, lengths: Sequence[int], counts: Sequence[int]
    ) -> Tensor:
        """Score the first `counts` tokens of each row: (rows, max(counts), vocabulary)."""
        tokens = max(counts)
        embeddings = cif.integrate(hidden, sums, tokens)
        real = masks.real_positions(counts, tokens, hidden.device)[..., None]
        attended = masks.attended_positions(lengths, hidden.shape[1], hidden.device)
        result: Tensor = self.decoder(embeddings, real, hidden, attended)
        return result
