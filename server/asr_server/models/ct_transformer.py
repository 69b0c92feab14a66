"""CT-Transformer: the network that says which punctuation mark follows each token.

Chen et al., "Controllable Time-Delay Transformer for Real-Time Punctuation Prediction and
Disfluency Detection" (2020); keys and numerics as in FunASR 1.4.16, `funasr/models/ct_transformer`.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from asr_server.models import sanm


class MarksConfig(msgspec.Struct, frozen=True):
    """`model_conf` of a FunASR config.yaml."""

    punc_list: tuple[str, ...]
    embed_unit: int = 128
    att_unit: int = 256
    sentence_end_id: int = 3


class CtTransformerConfig(msgspec.Struct, frozen=True):
    """config.yaml of a CT-Transformer model folder."""

    encoder: Literal["SANMEncoder"]
    model_conf: MarksConfig
    encoder_conf: sanm.SanmConfig


class CtTransformer(nn.Module):
    """Embeddings, a SANM encoder and one linear map."""

    def __init__(self, config: CtTransformerConfig, vocabulary: int):
        super().__init__()
        marks = config.model_conf
        # Weights are given, not drawn: drawing on the meta device imports torch's whole compiler.
        unset = torch.empty(vocabulary, marks.embed_unit)
        self.embed = nn.Embedding(vocabulary, marks.embed_unit, _weight=unset)
        self.encoder = sanm.SanmEncoder(marks.embed_unit, config.encoder_conf)
        self.decoder = nn.Linear(marks.att_unit, len(marks.punc_list))

    def forward(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Score the marks after each token: (rows, tokens) to (rows, tokens, marks)."""
        result: Tensor = self.decoder(self.encoder(self.embed(ids), lengths))
        return result
