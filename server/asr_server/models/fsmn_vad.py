"""FSMN: the network of FunASR's voice activity detection, a feed-forward net with a long memory.

Zhang et al., "Deep-FSMN for Large Vocabulary Continuous Speech Recognition" (2018); keys and
numerics as in FunASR 1.4.16, `funasr/models/fsmn_vad_streaming`. It only looks back, so that
audio of any length runs in chunks: each layer carries the end of its input to the next chunk.
"""

from typing import Literal

import msgspec
from torch import Tensor, nn

from asr_server.models import endpoint_rules, frontend, time_filter


class FsmnConfig(msgspec.Struct, frozen=True):
    """`encoder_conf` of a FunASR config.yaml."""

    input_dim: int
    input_affine_dim: int
    fsmn_layers: int
    linear_dim: int
    proj_dim: int
    lorder: int
    output_affine_dim: int
    output_dim: int
    rorder: Literal[0] = 0
    lstride: Literal[1] = 1


class FsmnVadConfig(msgspec.Struct, frozen=True):
    """config.yaml of an FSMN-VAD model folder."""

    encoder: Literal["FSMN"]
    model_conf: endpoint_rules.EndpointConfig
    encoder_conf: FsmnConfig
    frontend_conf: frontend.FrontendConfig


class Affine(nn.Module):
    """A linear map, under the name that checkpoints know."""

    def __init__(self, input_size: int, output_size: int, *, bias: bool = True):
        super().__init__()
        self.linear = nn.Linear(input_size, output_size, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., input size) to (..., output size)."""
        result: Tensor = self.linear(inputs)
        return result


class Memory(nn.Module):
    """A filter over a frame and those before it, one per channel, with its input added."""

    def __init__(self, size: int, order: int):
        super().__init__()
        self.conv_left = nn.Conv2d(size, size, (order, 1), groups=size, bias=False)

    def forward(self, inputs: Tensor, known: Tensor) -> Tensor:
        """Filter (rows, time, size).

        `known` (rows, order - 1 + time, size) begins with the frames before; the inputs are written
        behind them.
        """
        known[:, -inputs.shape[1] :] = inputs
        weight = self.conv_left.weight.squeeze(-1)
        return time_filter.filter_time(known, weight).add_(inputs)


class FsmnLayer(nn.Module):
    """Projection, memory, expansion."""

    def __init__(self, config: FsmnConfig):
        super().__init__()
        self.linear = Affine(config.linear_dim, config.proj_dim, bias=False)
        self.fsmn_block = Memory(config.proj_dim, config.lorder)
        self.affine = Affine(config.proj_dim, config.linear_dim)

    def forward(self, inputs: Tensor, known: Tensor) -> Tensor:
        """Map (rows, time, size) to the same shape; the memory writes into `known`."""
        hidden = self.fsmn_block(self.linear(inputs), known)
        result: Tensor = self.affine(hidden).relu_()
        return result


class Fsmn(nn.Module):
    """Features to scores of the output states."""

    def __init__(self, config: FsmnConfig):
        super().__init__()
        self.config = config
        self.in_linear1 = Affine(config.input_dim, config.input_affine_dim)
        self.in_linear2 = Affine(config.input_affine_dim, config.linear_dim)
        self.fsmn = nn.ModuleList([FsmnLayer(config) for _ in range(config.fsmn_layers)])
        self.out_linear1 = Affine(config.linear_dim, config.output_affine_dim)
        self.out_linear2 = Affine(config.output_affine_dim, config.output_dim)

    @property
    def reach(self) -> int:
        """How many frames a memory looks back."""
        return self.config.lorder - 1

    def start(self, rows: int) -> Tensor:
        """Return the past of every layer at the start of recordings: nothing."""
        weight = self.out_linear2.linear.weight
        return weight.new_zeros(len(self.fsmn), rows, self.reach, self.config.proj_dim)

    def forward(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Score (rows, time, input) as (rows, time, output).

        `past` is (layers, rows, reach, size). The second value has the frames of this chunk behind
        it: the past of a row's next chunk is the `reach` frames before that.
        """
        layers, rows, reach, size = past.shape
        known = past.new_empty(layers, rows, reach + features.shape[1], size)
        known[:, :, :reach] = past
        hidden = self.in_linear2(self.in_linear1(features)).relu_()
        for layer, known_to_layer in zip(self.fsmn, known, strict=True):
            hidden = layer(hidden, known_to_layer)
        return self.out_linear2(self.out_linear1(hidden)), known


class FsmnVad(nn.Module):
    """The network under the name that checkpoints know, with the probability of silence."""

    def __init__(self, config: FsmnVadConfig):
        super().__init__()
        self.encoder = Fsmn(config.encoder_conf)
        self.silent_states = config.model_conf.sil_pdf_ids

    def forward(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of silence, float32 (rows, time), and the past with this chunk."""
        scores, known = self.encoder(features, past)
        probabilities = scores.float().softmax(dim=-1)
        # State by state: to pick them by a list would copy it to the device, and wait for that.
        silence = sum(
            (probabilities[..., state] for state in self.silent_states[1:]),
            probabilities[..., self.silent_states[0]],
        )
        return silence, known
