"""Recognition of a batch of utterances with Paraformer: audio in, words out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from asr_server.models import (
    cif,
    cuda_graph,
    frontend,
    overflow,
    paraformer,
    short_batches,
    stamps,
    tokens,
)
from asr_server.models.errors import no_number
from asr_server.models.folders import ModelFolder
from asr_server.models.stamps import Sums
from asr_server.speech.hints import NO_HINTS, Hints
from asr_server.speech.sounds import Sound
from asr_server.speech.words import Stamp, Words

NAME = "the recogniser"
_TOKENS_PER_SECOND = 5

_Config = TypeVar("_Config", bound=paraformer.ParaformerConfig)
_Network = TypeVar("_Network", bound=paraformer.Paraformer)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded audio with CIF's sums, as `Paraformer.encode` gives them; frames and tokens a row."""

    hidden: Tensor
    sums: Tensor
    lengths: Sequence[int]
    counts: Sequence[int]


class Recognizer:
    """Recognises utterances, all in one forward pass."""

    PUNCTUATES = False
    takes_hotwords = False

    def __init__(
        self,
        front: frontend.Frontend,
        network: paraformer.Paraformer,
        symbols: Sequence[str],
    ):
        self.front = front
        self.network = network
        self.symbols = symbols
        self._short: short_batches.ShortBatches | None = None

    def record_short_batches(self, record: cuda_graph.Recorder) -> int:
        """Make short batches faster, once the network is warm; return how many shapes they have."""
        width = self.front.config.n_mels * self.front.config.lfr_m
        self._short = short_batches.ShortBatches(self.network, width, record)
        return len(self._short)

    def recognize(
        self, audio: Sequence[frontend.Audio | Sound], hints: Sequence[Hints] | None = None
    ) -> list[Words]:
        """Return what is said in each mono 16 kHz int16 utterance, with hints each, and when.

        Utterances under 25 ms, and those in which nothing is said, have no words. The host waits
        for the device twice per batch: for the sums of weights, and for the tokens. Raises
        ArithmeticError when the network's output is not a number, as an overflow of float16 is.
        """
        with torch.inference_mode():
            waveforms = self.front.load(audio)
            if max(waveforms.frames, default=0) == 0:
                return [Words() for _ in audio]
            lengths = [self.front.count_steps(frames) for frames in waveforms.frames]
            hidden, sums = self._encode(self.front.features(waveforms), lengths)
            weighed = sums.cpu()
            counts = cif.count_tokens(weighed).tolist()
            if min(counts) < 0:
                raise no_number(NAME)
            if max(counts) == 0:
                return [Words() for _ in audio]
            encoded = Encoded(hidden, sums, lengths, counts)
            best = self._choose(encoded, hints or [NO_HINTS] * len(audio))
            placed = self._place(encoded, weighed)
            rows = [row[:count] for row, count in zip(best.tolist(), counts, strict=True)]
        overflow.check(rows, NAME)
        return [
            self._words(row, total, len(samples))
            for row, total, samples in zip(rows, placed, audio, strict=True)
        ]

    def probe(self, audio: Sequence[frontend.Audio | Sound]) -> list[Tensor]:
        """Return CIF's sums, and the scores of audio as if it held five tokens a second.

        For warming up: noise has no tokens, and would leave the decoder cold.
        """
        with torch.inference_mode():
            waveforms = self.front.load(audio)
            lengths = [self.front.count_steps(frames) for frames in waveforms.frames]
            hidden, sums = self.network.encode(self.front.features(waveforms), lengths)
            counts = [1 + frames * _TOKENS_PER_SECOND // 100 for frames in waveforms.frames]
            spoken = torch.linspace(0, max(counts), sums.shape[1], device=sums.device)
            spoken = spoken.to(sums.dtype).expand_as(sums)
            return [sums, *self._score(Encoded(hidden, spoken, lengths, counts))]

    def _encode(self, features: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        found = self._short.encode(features, lengths) if self._short else None
        return found or self.network.encode(features, lengths)

    def _score(self, encoded: Encoded) -> list[Tensor]:
        """Return what shall be finite."""
        return [self.network.decode(encoded.hidden, encoded.sums, encoded.lengths, encoded.counts)]

    def _choose(self, encoded: Encoded, _hints: Sequence[Hints]) -> Tensor:
        """Return the symbols of each row, (rows, tokens)."""
        parts = encoded.hidden, encoded.sums, encoded.lengths, encoded.counts
        found = self._short.choose(*parts) if self._short else None
        if found is not None:
            return found
        scores = self.network.decode(*parts)
        return overflow.choose(scores)

    def _place(self, encoded: Encoded, weighed: Tensor) -> list[Sums]:
        """Return the sums of weights that say when the tokens of each row were said.

        `weighed` are the encoded sums on the host. A row's tail counts where it has weight.
        """
        rows = zip(weighed.numpy(), encoded.lengths, strict=True)
        if self.network.predictor.config.tail_threshold > 0:
            return [np.append(sums[: length + 1], sums[-1]) for sums, length in rows]
        return [sums[: length + 1] for sums, length in rows]

    def _stamp(self, sums: Sums, pieces: int, end_ms: int) -> list[Stamp]:
        return stamps.locate(sums, pieces, self.front.step_ms, end_ms)

    def _words(self, ids: Sequence[int], sums: Sums, samples: int) -> Words:
        pieces = tokens.name_pieces(ids, self.symbols)
        said = self._stamp(sums, len(pieces), samples * 1000 // self.front.config.fs)
        placed = tokens.place_pieces(pieces)
        return Words(
            tuple(token for token, _, _ in placed),
            tuple((said[first][0], said[last][1]) for _, first, last in placed),
        )


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Recognizer:
    """Load a Paraformer model folder; ModelError says what does not fit."""
    kinds = paraformer.ParaformerConfig, paraformer.Paraformer
    return Recognizer(*load_parts(folder, device, dtype, *kinds))


def load_parts(
    folder: ModelFolder,
    device: torch.device,
    dtype: torch.dtype,
    config_kind: type[_Config],
    network_kind: Callable[[_Config, int], _Network],
) -> tuple[frontend.Frontend, _Network, tuple[str, ...]]:
    """Load front end, network and symbols of a Paraformer of any kind; or raise ModelError."""
    config = folder.read_config(config_kind)
    symbols = folder.read_tokens()
    with torch.device("meta"):
        network = network_kind(config, len(symbols))
    folder.load_weights(network, device, dtype)
    front = frontend.open_frontend(folder.file("am.mvn"), config.frontend_conf, device)
    return front, network, symbols
