"""Recognition with a BiCif-Paraformer or a SeACo-Paraformer: better times, and hotwords."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from asr_server.models import bicif, frontend, hotword_cache, recognizer, seaco, spelling, stamps
from asr_server.models.errors import no_number
from asr_server.models.folders import ModelFolder
from asr_server.models.stamps import Sums
from asr_server.speech.hints import Hints
from asr_server.speech.words import Stamp


class BiCifRecognizer(recognizer.Recognizer):
    """A recogniser whose times come from the second CIF: the host waits for them too."""

    network: bicif.BiCifParaformer

    def __init__(
        self,
        front: frontend.Frontend,
        network: bicif.BiCifParaformer,
        symbols: Sequence[str],
    ):
        super().__init__(front, network, symbols)
        for part in network.modules():
            if isinstance(part, nn.LSTM):
                part.flatten_parameters()  # they came one by one; CUDA wants them in one piece

    def _score(self, encoded: recognizer.Encoded) -> list[Tensor]:
        placed = self.network.place(encoded.hidden, encoded.lengths)
        return [*super()._score(encoded), placed]

    def _place(self, encoded: recognizer.Encoded, _weighed: Tensor) -> list[Sums]:
        thirds = self.network.place(encoded.hidden, encoded.lengths).cpu().numpy()
        if not np.isfinite(thirds[:, -1]).all():
            raise no_number(recognizer.NAME)
        return [
            np.asarray(sums[: bicif.THIRDS * length + 1])
            for sums, length in zip(thirds, encoded.lengths, strict=True)
        ]

    def _stamp(self, sums: Sums, pieces: int, end_ms: int) -> list[Stamp]:
        return stamps.locate_scaled(sums, pieces, self.front.step_ms // bicif.THIRDS, end_ms)


class SeacoRecognizer(BiCifRecognizer):
    """A recogniser that prefers the hotwords of each row."""

    takes_hotwords = True

    network: seaco.SeacoParaformer

    def __init__(
        self,
        front: frontend.Frontend,
        network: seaco.SeacoParaformer,
        symbols: Sequence[str],
        speller: spelling.Speller,
    ):
        super().__init__(front, network, symbols)
        self.hotwords = hotword_cache.HotwordCache(network, speller)

    def _score(self, encoded: recognizer.Encoded) -> list[Tensor]:
        words = self.network.represent([seaco.NO_HOTWORD] * 2)
        self._bias(encoded, [words] * len(encoded.counts))
        return [*super()._score(encoded), words]

    def _choose(self, encoded: recognizer.Encoded, hints: Sequence[Hints]) -> Tensor:
        biases = [self.hotwords.find(each.hotwords) for each in hints]
        return self._bias(encoded, biases)

    def _bias(self, encoded: recognizer.Encoded, biases: Sequence[Tensor | None]) -> Tensor:
        return self.network.choose(
            encoded.hidden, encoded.sums, encoded.lengths, encoded.counts, biases
        )


def load_bicif(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> BiCifRecognizer:
    """Load a BiCif-Paraformer model folder; ModelError says what does not fit."""
    kinds = bicif.BiCifConfig, bicif.BiCifParaformer
    return BiCifRecognizer(*recognizer.load_parts(folder, device, dtype, *kinds))


def load_seaco(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> SeacoRecognizer:
    """Load a SeACo-Paraformer model folder; ModelError says what does not fit."""
    kinds = seaco.SeacoConfig, seaco.SeacoParaformer
    front, network, symbols = recognizer.load_parts(folder, device, dtype, *kinds)
    return SeacoRecognizer(front, network, symbols, spelling.load(folder, symbols))
