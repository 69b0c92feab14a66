"""Recognition of a batch of utterances with Paraformer: audio in, words out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_server.models import cif, frontend, paraformer, stamps, tokens
from asr_server.models.folders import ModelFolder
from asr_server.speech.words import Words

Sums = NDArray[np.float64]

_TOKENS_PER_SECOND = 5


class Recognizer:
    """Recognises utterances, all in one forward pass."""

    PUNCTUATES = False

    def __init__(
        self,
        front: frontend.Frontend,
        network: paraformer.Paraformer,
        symbols: Sequence[str],
    ):
        self.front = front
        self.network = network
        self.symbols = symbols

    def recognize(self, audio: Sequence[frontend.Audio]) -> list[Words]:
        """Return what is said in each mono 16 kHz int16 utterance, and when.

        Utterances under 25 ms, and those in which nothing is said, have no words. The host waits
        for the device twice per batch: for the sums of weights, and for the tokens. Raises
        ArithmeticError when the network's output is not a number, as an overflow of float16 is.
        """
        with torch.inference_mode():
            waveforms = self.front.load(audio)
            if max(waveforms.frames, default=0) == 0:
                return [Words() for _ in audio]
            lengths = [self.front.count_steps(frames) for frames in waveforms.frames]
            hidden, sums = self.network.encode(self.front.features(waveforms), lengths)
            weighed = sums.cpu()
            counts = cif.count_tokens(weighed).tolist()
            if min(counts) < 0:
                raise ArithmeticError("the recogniser gave NaN; use float32 or bfloat16")
            if max(counts) == 0:
                return [Words() for _ in audio]
            scores = self.network.decode(hidden, sums, lengths, counts)
            best = scores.argmax(dim=-1).tolist()
        return [
            self._words(row[:count], self._row_sums(total, length), len(samples))
            for row, count, total, length, samples in zip(
                best, counts, weighed.numpy(), lengths, audio, strict=True
            )
        ]

    def probe(self, audio: Sequence[frontend.Audio]) -> tuple[Tensor, Tensor]:
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
            return sums, self.network.decode(hidden, spoken, lengths, counts)

    def _words(self, ids: Sequence[int], sums: Sums, samples: int) -> Words:
        pieces = tokens.name_pieces(ids, self.symbols)
        config = self.front.config
        frame_ms = config.frame_shift * config.lfr_n
        said = stamps.locate(sums, len(pieces), frame_ms, samples * 1000 // config.fs)
        placed = tokens.place_pieces(pieces)
        return Words(
            tuple(token for token, _, _ in placed),
            tuple((said[first][0], said[last][1]) for _, first, last in placed),
        )

    def _row_sums(self, sums: Sums, length: int) -> Sums:
        """Return the sums of a row without its padding; its tail counts where it has weight."""
        if self.network.predictor.config.tail_threshold > 0:
            return np.append(sums[: length + 1], sums[-1])
        return sums[: length + 1]


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Recognizer:
    """Load a Paraformer model folder; ModelError says what does not fit."""
    return Recognizer(*load_parts(folder, device, dtype))


def load_parts(
    folder: ModelFolder, device: torch.device, dtype: torch.dtype
) -> tuple[frontend.Frontend, paraformer.Paraformer, tuple[str, ...]]:
    """Load front end, network and symbols of a Paraformer of either kind; or raise ModelError."""
    config = folder.read_config(paraformer.ParaformerConfig)
    symbols = folder.read_tokens()
    with torch.device("meta"):
        network = paraformer.Paraformer(config, len(symbols))
    folder.load_weights(network, device, dtype)
    front = frontend.open_frontend(folder.file("am.mvn"), config.frontend_conf, device)
    return front, network, symbols
