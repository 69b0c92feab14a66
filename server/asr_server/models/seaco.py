"""SeACo-Paraformer: a Paraformer that prefers hotwords, a list of its own for each row.

Each hotword becomes one vector. A second decoder looks from the tokens to the vectors of its row
and names a symbol of a hotword, or the symbol "no bias", where the first decoder's symbol stays.
Of a long list only the words take part that the tokens attend to most (ASF).

Shi et al., "SeACo-Paraformer: A Non-Autoregressive ASR System with Flexible and Effective Hotword
Customization Ability" (2024); keys and numerics as in FunASR 1.4.16,
`funasr/models/seaco_paraformer`.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from asr_server.models import bicif, cif, masks, overflow, staging
from asr_server.models.decoder import Decoder, DecoderConfig, DecoderLayers

NO_HOTWORD = (1,)  # the start symbol: the last vector of every list stands for none of its words
_FILTERED = 50  # words that take part, beside "none of them"
_FILTER_LAYER = 5


class BiasConfig(msgspec.Struct, frozen=True):
    """`model_conf` of a FunASR config.yaml."""

    inner_dim: int = 256
    bias_encoder_type: Literal["lstm"] = "lstm"
    bias_encoder_bid: bool = False
    NO_BIAS: int = 8377


class BiasDecoderConfig(DecoderConfig, frozen=True):
    """`seaco_decoder_conf` of a FunASR config.yaml."""

    use_output_layer: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.use_output_layer or self.att_layer_num <= _FILTER_LAYER:
            raise ValueError(
                f"use_output_layer must be false and att_layer_num over {_FILTER_LAYER}"
            )


class SeacoConfig(bicif.BiCifConfig, frozen=True):
    """config.yaml of a SeACo-Paraformer model folder."""

    model_conf: BiasConfig
    seaco_decoder: Literal["ParaformerSANMDecoder"]
    seaco_decoder_conf: BiasDecoderConfig

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_conf.inner_dim != self.encoder_conf.output_size:
            raise ValueError("inner_dim must be the encoder's output_size")


class EmbeddingDecoder(Decoder):
    """A decoder whose embeddings of symbols are kept: the bias encoder reads them."""

    def __init__(self, size: int, vocabulary: int, config: DecoderConfig):
        super().__init__(size, vocabulary, config)
        # Weights are given, not drawn: drawing on the meta device imports torch's whole compiler.
        embedding = nn.Embedding(vocabulary, size, _weight=torch.empty(vocabulary, size))
        self.embed = nn.Sequential(embedding)


class SeacoParaformer(bicif.BiCifParaformer):
    """A BiCif-Paraformer with a bias encoder and a bias decoder."""

    TRAINING_ONLY = ("ctc.", "seaco_decoder.embed.")

    decoder: EmbeddingDecoder

    def __init__(self, config: SeacoConfig, vocabulary: int):
        super().__init__(config, vocabulary)
        size, both_ways = config.model_conf.inner_dim, config.model_conf.bias_encoder_bid
        self.no_bias = config.model_conf.NO_BIAS
        self.decoder = EmbeddingDecoder(size, vocabulary, config.decoder_conf)
        self.bias_encoder = nn.LSTM(size, size, 2, batch_first=True, bidirectional=both_ways)
        self.lstm_proj = nn.Linear(2 * size, size) if both_ways else None
        self.seaco_decoder = DecoderLayers(size, config.seaco_decoder_conf)
        self.hotword_output_layer = nn.Linear(size, vocabulary)

    def represent(self, words: Sequence[Sequence[int]]) -> Tensor:
        """Return the vectors of words, (words, size); each is at least one symbol."""
        lengths = [len(word) for word in words]
        device = self.hotword_output_layer.weight.device
        ids = rnn.pad_sequence([torch.tensor(word) for word in words], batch_first=True)
        hidden = bicif.run_lstm(
            self.bias_encoder, self.decoder.embed(staging.put(ids, device)), lengths
        )
        ends = staging.put_list([length - 1 for length in lengths], device)
        last = hidden[torch.arange(len(words), device=device), ends]
        return last if self.lstm_proj is None else self.lstm_proj(last)

    def choose(
        self,
        hidden: Tensor,
        sums: Tensor,
        lengths: Sequence[int],
        counts: Sequence[int],
        biases: Sequence[Tensor | None],
    ) -> Tensor:
        """Return the symbols of the first `counts` tokens of each row, (rows, max(counts)).

        `biases` has what `represent` returned for the words of each row and NO_HOTWORD after them.
        """
        embeddings = cif.integrate(hidden, sums, max(counts))
        refined = self.refine(hidden, embeddings, lengths, counts)
        symbols: Tensor = overflow.choose(self.decoder.output_layer(refined))
        rows = [row for row, bias in enumerate(biases) if bias is not None and counts[row]]
        if not rows:
            return symbols
        picked = staging.put_list(rows, hidden.device)
        biased = self._bias(
            embeddings[picked],
            refined[picked],
            masks.real_positions([counts[row] for row in rows], max(counts), hidden.device),
            [bias for row in rows if (bias := biases[row]) is not None],
        )
        kept = (biased == self.no_bias) | (symbols[picked] == overflow.NO_SYMBOL)
        symbols[picked] = torch.where(kept, symbols[picked], biased)
        return symbols

    def _bias(
        self, embeddings: Tensor, refined: Tensor, real: Tensor, biases: Sequence[Tensor]
    ) -> Tensor:
        """Return the symbols that hotwords have for (rows, tokens, size), or "no bias"."""
        words, lengths = rnn.pad_sequence(list(biases), batch_first=True), list(map(len, biases))
        real = real[..., None]
        if max(lengths) > _FILTERED:
            words, lengths = self._filter(refined, real, words, lengths)
        attended = masks.attended_positions(lengths, words.shape[1], words.device)
        found = self.seaco_decoder.refine(embeddings, real, words, attended)
        found = found + self.seaco_decoder.refine(refined, real, words, attended)
        return overflow.choose(self.hotword_output_layer(found))

    def _filter(
        self, refined: Tensor, real: Tensor, words: Tensor, lengths: Sequence[int]
    ) -> tuple[Tensor, list[int]]:
        """Keep the words that matter most of the lists that are long, and their last, always."""
        device, width = words.device, _FILTERED + 1
        known = masks.real_positions(lengths, words.shape[1], device)
        weights = self.seaco_decoder.weigh(
            refined, real, words, known[:, None, None, :], layer=_FILTER_LAYER
        )
        weights = (weights * real[:, None]).float().sum(dim=(1, 2)).masked_fill(~known, -1.0)
        last = staging.put_list(lengths, device)[:, None] - 1
        best = torch.cat([weights.topk(_FILTERED, dim=1).indices, last], dim=1)
        whole = torch.arange(width, device=device).expand_as(best)
        kept = torch.where(last < _FILTERED, torch.minimum(whole, last), best)
        kept = kept[..., None].expand(-1, -1, words.shape[2])
        return words.gather(1, kept), [min(length, width) for length in lengths]
