"""Paraformer: non-autoregressive recognition; all tokens of all utterances in one pass.

The streaming Paraformer has the same parts (`streaming_paraformer` runs them chunk by chunk).

Gao et al., "Paraformer: Fast and Accurate Parallel Transformer for Non-autoregressive End-to-End
Speech Recognition" (2022); keys and numerics as in FunASR 1.4.16, `funasr/models/paraformer`.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
from torch import Tensor, nn

from asr_server.models import cif, frontend, masks, sanm
from asr_server.models.decoder import Decoder, DecoderConfig


class ParaformerConfig(msgspec.Struct, frozen=True):
    """config.yaml of a Paraformer model folder."""

    PREDICTOR: ClassVar[str] = "CifPredictorV2"

    encoder: Literal["SANMEncoder", "SANMEncoderChunkOpt"]
    decoder: Literal["ParaformerSANMDecoder"]
    predictor: str
    encoder_conf: sanm.SanmConfig
    decoder_conf: DecoderConfig
    predictor_conf: cif.CifConfig
    frontend_conf: frontend.FrontendConfig

    def __post_init__(self) -> None:
        if self.predictor != self.PREDICTOR:
            raise ValueError(f"predictor must be {self.PREDICTOR}, not {self.predictor}")


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
        return self._weigh(self.encoder(features, lengths), real)

    def encode_before(self, features: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
        """Do what `encode` does with lengths on the device, int64 (rows): the host knows none.

        Features beyond them may be anything: what gave NaN before is not seen.
        """
        width = features.shape[1]
        real = masks.positions_before(limits, width)
        features = features.where(real[..., None], 0.0)
        hidden = self.encoder.encode(features, masks.attended_before(limits, width), real)
        return self._weigh(hidden, real)

    def _weigh(self, hidden: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        hidden = hidden * real[..., None]
        weights = self.predictor(hidden, real)
        nothing = weights.new_zeros(len(weights))
        tail = nothing + self.predictor.config.tail_threshold
        return hidden, cif.accumulate(weights, nothing, tail)

    def decode(
        self, hidden: Tensor, sums: Tensor, lengths: Sequence[int], counts: Sequence[int]
    ) -> Tensor:
        """Score the first `counts` tokens of each row: (rows, max(counts), vocabulary)."""
        embeddings = cif.integrate(hidden, sums, max(counts))
        result: Tensor = self.decoder.output_layer(self.refine(hidden, embeddings, lengths, counts))
        return result

    def decode_before(
        self, hidden: Tensor, sums: Tensor, limits: Tensor, fired: Tensor, *, tokens: int
    ) -> Tensor:
        """Do what `decode` does with lengths and counts on the device, int64 (rows) each.

        Returns (rows, tokens, vocabulary), however many there are.
        """
        embeddings = cif.integrate(hidden, sums, tokens)
        real = masks.positions_before(fired, tokens)[..., None]
        attended = masks.attended_before(limits, hidden.shape[1])
        scores: Tensor = self.decoder(embeddings, real, hidden, attended)
        return scores

    def refine(
        self, hidden: Tensor, embeddings: Tensor, lengths: Sequence[int], counts: Sequence[int]
    ) -> Tensor:
        """Return what the decoder makes of acoustic embeddings, (rows, max(counts), size) both."""
        real = masks.real_positions(counts, max(counts), hidden.device)[..., None]
        attended = masks.attended_positions(lengths, hidden.shape[1], hidden.device)
        return self.decoder.refine(embeddings, real, hidden, attended)
