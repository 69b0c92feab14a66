"""BiCif-Paraformer: a second CIF, on thirds of frames, says when each token was said.

Shi et al., "Achieving Timestamp Prediction While Recognizing with Non-Autoregressive End-to-End
ASR Model" (2023); keys and numerics as in FunASR 1.4.16, `funasr/models/bicif_paraformer`.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from asr_server.models import cif, masks, paraformer

THIRDS = 3


class BiCifPredictorConfig(cif.CifConfig, frozen=True):
    """`predictor_conf` of a FunASR config.yaml; its name for THIRDS has no other value here."""

    smooth_factor2: float = 1.0
    noise_threshold2: float = 0.0
    upsample_times: int = 5
    upsample_type: Literal["cnn", "cnn_blstm"] = "cnn"
    use_cif1_cnn: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.upsample_times != THIRDS:  # FunASR's times assume it
            raise ValueError(f"upsample_times must be {THIRDS}")


class BiCifConfig(paraformer.ParaformerConfig, frozen=True):
    """config.yaml of a BiCif-Paraformer model folder."""

    PREDICTOR: ClassVar[str] = "CifPredictorV3"

    predictor_conf: BiCifPredictorConfig


class BiCifPredictor(cif.CifPredictor):
    """Weighs frames to count tokens, and thirds of frames to place them."""

    config: BiCifPredictorConfig

    def __init__(self, config: BiCifPredictorConfig):
        super().__init__(config)
        size = config.idim
        self.upsample_cnn = nn.ConvTranspose1d(size, size, THIRDS, THIRDS)
        self.blstm = None
        if config.upsample_type == "cnn_blstm":
            self.blstm = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.cif_output2 = nn.Linear(size if self.blstm is None else 2 * size, 1)

    def weigh_thirds(self, hidden: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return the weight of each third of a frame, float32 (rows, 3 * time); 0 where padded.

        `hidden` (rows, time, size) is zero in padded frames.
        """
        config = self.config
        seen = self.look_around(hidden) if config.use_cif1_cnn else hidden
        thirds = self.upsample_cnn(seen.transpose(1, 2)).transpose(1, 2)
        counts = [length * THIRDS for length in lengths]
        if self.blstm is not None:
            thirds = run_lstm(self.blstm, thirds, counts)
        weights: Tensor = self.cif_output2(thirds).squeeze(-1).float().sigmoid_()
        weights = (weights * config.smooth_factor2 - config.noise_threshold2).relu_()
        return weights.mul_(masks.real_positions(counts, weights.shape[1], weights.device))


class BiCifParaformer(paraformer.Paraformer):
    """A Paraformer whose predictor has the second CIF."""

    predictor: BiCifPredictor

    def __init__(self, config: BiCifConfig, vocabulary: int):
        super().__init__(config, vocabulary)
        self.predictor = BiCifPredictor(config.predictor_conf)

    def place(self, hidden: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return the running sums of the second CIF's weights, float64 (rows, 3 * time + 1)."""
        weights = self.predictor.weigh_thirds(hidden, lengths)
        return cif.accumulate(weights, weights.new_zeros(len(weights)))


def run_lstm(lstm: nn.LSTM, inputs: Tensor, lengths: Sequence[int]) -> Tensor:
    """Run an LSTM over the first `lengths` steps of each of (rows, time, size).

    What comes out beyond a row's length is unspecified. The way back begins at each row's own end.
    """
    steps = torch.tensor([max(length, 1) for length in lengths])  # it cannot be empty
    packed = rnn.pack_padded_sequence(inputs, steps, batch_first=True, enforce_sorted=False)
    outputs, _ = lstm(packed)
    padded, _ = rnn.pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
    return padded
