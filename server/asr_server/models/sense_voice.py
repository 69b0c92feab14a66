"""SenseVoice-Small: one encoder and CTC; five languages, and marks and digits where asked for.

Four queries stand before the audio of each row and say what is wanted of it; in their places the
network answers with tags: language, emotion, event, and whether the text has marks and digits.

An et al., "FunAudioLLM: Voice Understanding and Generation Foundation Models for Natural
Interaction Between Humans and LLMs" (2024); keys and numerics as in FunASR 1.4.16,
`funasr/models/sense_voice`.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn

from asr_server.models import frontend, sanm, staging
from asr_server.speech.hints import AUTO, Hints

QUERIES = 4
LANGUAGES = {AUTO: 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
_EVENT, _EMOTION = 1, 2
_WITH_ITN, _WITHOUT_ITN = 14, 15
_KNOWN_QUERIES = 16
_SCORED_POSITIONS = 4096  # at a time: the scores of a large batch would take gigabytes


class SenseVoiceEncoderConfig(sanm.SanmConfig, frozen=True):
    """`encoder_conf` of a FunASR config.yaml."""

    NORM_EPS: ClassVar[float] = 1e-5

    tp_blocks: int = 0


class SenseVoiceConfig(msgspec.Struct, frozen=True):
    """config.yaml of a SenseVoice-Small model folder."""

    encoder: Literal["SenseVoiceEncoderSmall"]
    encoder_conf: SenseVoiceEncoderConfig
    frontend_conf: frontend.FrontendConfig
    tokenizer: Literal["SentencepiecesTokenizer"]
    normalize: None = None


def choose_queries(hints: Hints) -> tuple[int, int, int, int]:
    """Return the ids of the queries of a row.

    A language that is not in LANGUAGES is found out by the network, as with FunASR.
    """
    language = LANGUAGES.get(hints.language, LANGUAGES[AUTO])
    return language, _EVENT, _EMOTION, _WITH_ITN if hints.itn else _WITHOUT_ITN


class SenseVoiceEncoder(sanm.SanmEncoder):
    """A SANM encoder with more layers behind its norm, and a second norm."""

    def __init__(self, input_size: int, config: SenseVoiceEncoderConfig):
        super().__init__(input_size, config)
        size = config.output_size
        self.tp_encoders = nn.ModuleList(
            [sanm.SanmLayer(size, config) for _ in range(config.tp_blocks)]
        )
        self.tp_norm = nn.LayerNorm(size, config.NORM_EPS)

    def transform(self, placed: Tensor, attended: Tensor | None, real: Tensor | None) -> Tensor:
        """Run the layers over whole utterances whose positions are added."""
        hidden = super().transform(placed, attended, real)
        for layer in self.tp_encoders:
            hidden = layer(hidden, attended, real)
        result: Tensor = self.tp_norm(hidden)
        return result


class Ctc(nn.Module):
    """The map to symbols."""

    def __init__(self, size: int, vocabulary: int):
        super().__init__()
        self.ctc_lo = nn.Linear(size, vocabulary)


class SenseVoice(nn.Module):
    """Queries, encoder and the best symbol at each position."""

    def __init__(self, config: SenseVoiceConfig, vocabulary: int):
        super().__init__()
        width = config.frontend_conf.n_mels * config.frontend_conf.lfr_m
        self.encoder = SenseVoiceEncoder(width, config.encoder_conf)
        self.ctc = Ctc(config.encoder_conf.output_size, vocabulary)
        # Weights are given, not drawn: drawing on the meta device imports torch's whole compiler.
        self.embed = nn.Embedding(_KNOWN_QUERIES, width, _weight=torch.empty(_KNOWN_QUERIES, width))

    def encode(self, features: Tensor, lengths: Sequence[int], hints: Sequence[Hints]) -> Tensor:
        """Encode (rows, time, width), with hints each, as (rows, QUERIES + time, size).

        What comes out beyond a row's QUERIES and `lengths` is unspecified.
        """
        ids = staging.put_list([choose_queries(each) for each in hints], features.device)
        asked = self.embed(ids).to(features.dtype)
        inputs = torch.cat([asked, features], dim=1)
        result: Tensor = self.encoder(inputs, [length + QUERIES for length in lengths])
        return result

    def spell(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best score and its symbol at each position, (rows, positions) each.

        A score is no number where any score of its position is none.
        """
        parts = torch.split(hidden.flatten(0, 1), _SCORED_POSITIONS)
        found = [self.ctc.ctc_lo(part).max(dim=-1) for part in parts]
        scores = torch.cat([part.values for part in found])
        symbols = torch.cat([part.indices for part in found])
        return scores.view(hidden.shape[:2]), symbols.view(hidden.shape[:2])
