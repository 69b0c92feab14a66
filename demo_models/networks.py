"""FunASR's own networks, to be trained, and the model folders that they become."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from asr_server.models import frontend
from demo_models import configs

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]
_TRAINING_ONLY = "ctc."
_FIRST_NORM = "encoder.encoders0.0.norm1.weight"


def build_network(config: configs.Config, symbols: int, features: int) -> Any:
    """Return a module of the class that a config.yaml names, with random weights.

    FunASR's classes take the whole file as arguments, those of `model_conf` among them.
    """
    from funasr.register import tables  # importing it takes seconds

    arguments = {"input_size": features, "vocab_size": symbols, **config, **config["model_conf"]}
    return tables.model_classes[config["model"]](**arguments)


@dataclass(frozen=True, slots=True)
class Start:
    """A finished model folder that training goes on from, in float32."""

    weights: dict[str, Tensor]
    symbols: list[str]
    statistics: Statistics
    sha256: str


def read_start(folder: Path) -> Start:
    """Read a model folder that has symbols and statistics."""
    path = folder / "model.pt"
    weights = torch.load(path, weights_only=True)
    symbols = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    shift, scale = frontend.read_cmvn(folder / "am.mvn", weights[_FIRST_NORM].shape[0])
    return Start(
        {name: value.float() for name, value in weights.items()},
        symbols,
        ((-shift).numpy(), (1 / scale).numpy()),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def start_from(network: nn.Module, start: Start, symbols: list[str]) -> None:
    """Take over the weights of a start; rows of symbols that it does not know stay as drawn."""
    known = [number for number, symbol in enumerate(symbols) if symbol in start.symbols]
    before = [start.symbols.index(symbols[number]) for number in known]
    taken = network.state_dict()
    for name, value in start.weights.items():
        if taken[name].shape == value.shape:
            taken[name] = value
        else:
            taken[name][known] = value[before]
    network.load_state_dict(taken)


def write_folder(
    folder: Path,
    config: configs.Config,
    weights: Mapping[str, Tensor],
    *,
    symbols: list[str] | None = None,
    statistics: Statistics | None = None,
) -> None:
    """Write config.yaml, model.pt in float16, and tokens.json and am.mvn if given."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    kept = {k: v.half() for k, v in weights.items() if not k.startswith(_TRAINING_ONLY)}
    torch.save(kept, folder / "model.pt")
    if symbols is not None:
        listed = json.dumps(symbols, ensure_ascii=False)
        (folder / "tokens.json").write_text(listed, encoding="utf-8")
    if statistics is not None:
        (folder / "am.mvn").write_text(_render_cmvn(*statistics), encoding="utf-8")


def count_parameters(module: nn.Module) -> int:
    """Return how many of its parameters a network is shipped with."""
    named = module.named_parameters()
    return sum(p.numel() for name, p in named if not name.startswith(_TRAINING_ONLY))


def _render_cmvn(mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> str:
    """Write the shift and scale of each feature as a Kaldi nnet."""
    width = len(mean)
    shift, scale = (" ".join(f"{v:.6g}" for v in vector) for vector in (-mean, 1 / deviation))
    return (
        f"<Nnet>\n<Splice> {width} {width}\n[ 0 ]\n"
        f"<AddShift> {width} {width}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {width} {width}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )
