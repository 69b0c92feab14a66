"""FunASR model folders on disk: what may be read from one, and how it is checked.

A folder is data. Nothing in it is ever executed: no remote code, no pickled objects.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
import yaml
from torch import Tensor, nn

from asr_server.models.errors import ModelError

_Config = TypeVar("_Config", bound=msgspec.Struct)
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_REMOTE_CODE = ("trust_remote_code", "remote_code")


class _FileFacts(msgspec.Struct, frozen=True):
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    files: dict[str, _FileFacts]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model's folder and its config.yaml, free of remote code."""

    path: Path
    config: Mapping[str, object]

    def file(self, name: str) -> Path:
        """Return the path of a file that must exist; ModelError otherwise."""
        path = self.path / name
        if not path.is_file():
            raise ModelError(f"{path} is missing; give a complete FunASR model folder")
        return path

    def read_config(self, kind: type[_Config]) -> _Config:
        """Return config.yaml as a struct; ModelError names the key that does not fit."""
        try:
            return msgspec.convert(self.config, kind)
        except msgspec.ValidationError as error:
            raise ModelError(
                f"{self.path / 'config.yaml'}: {error}; this server does not support that"
            ) from error

    def check_class(self, *supported: str) -> str:
        """Return `model:` of config.yaml; ModelError unless it is one of the supported classes."""
        given = self.config.get("model")
        if not isinstance(given, str) or given not in supported:
            raise ModelError(
                f"{self.path / 'config.yaml'}: model is {given}; "
                f"in {self.path.name} this server supports {', '.join(supported)}"
            )
        return given

    def read_tokens(self) -> tuple[str, ...]:
        """Return tokens.json, the symbol of each output."""
        path = self.file("tokens.json")
        try:
            return msgspec.json.decode(path.read_bytes(), type=tuple[str, ...])
        except msgspec.MsgspecError as error:
            raise ModelError(f"{path}: {error}; it must be a JSON list of symbols") from error

    def load_weights(self, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        """Put model.pt into a module built on the meta device; every key must fit.

        Keys that start with an entry of the module's `TRAINING_ONLY` are left out.
        """
        path = self.file("model.pt")
        try:
            weights = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # a damaged pickle raises anything at all
            raise ModelError(
                f"{path} is not a plain torch checkpoint ({type(error).__name__}); "
                "give tensors saved with torch.save, and no other objects"
            ) from error
        skipped = getattr(module, "TRAINING_ONLY", ())
        kept = {k: v for k, v in _unwrap(path, weights).items() if not k.startswith(skipped)}
        _check_keys(path, kept, module.state_dict())
        module.load_state_dict({k: v.to(dtype) for k, v in kept.items()}, assign=True)
        module.eval().requires_grad_(requires_grad=False)


def open_folder(path: Path) -> ModelFolder:
    """Open one model's folder; ModelError when it is absent, unreadable or asks for code to run."""
    config_path = path / "config.yaml"
    if not config_path.is_file():
        raise ModelError(f"{config_path} is missing; give a FunASR model folder")
    try:
        config: object = yaml.safe_load(config_path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ModelError(f"{config_path} is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{config_path} must be a mapping")
    for key in _REMOTE_CODE:
        if config.get(key):
            raise ModelError(f"{config_path} sets {key}; this server runs no code of a model")
    return ModelFolder(path, config)


def verify_manifest(directory: Path) -> None:
    """Compare every file that manifest.json lists with its sha256; without a manifest do nothing.

    Model files that a manifest does not list are refused too.
    """
    path = directory / "manifest.json"
    if not path.is_file():
        return
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=_Manifest).files
    except msgspec.MsgspecError as error:
        raise ModelError(f"{path}: {error}; copy the folder again") from error
    for name, facts in listed.items():
        found = directory / name
        if not found.is_file():
            raise ModelError(f"{found} is missing but listed in {path}; copy the folder again")
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
        if digest != facts.sha256:
            raise ModelError(
                f"{found} has sha256 {digest}, {path} says {facts.sha256}; copy the folder again"
            )
    for found in sorted(directory.glob("*/*")):
        if str(found.relative_to(directory)) not in listed:
            raise ModelError(f"{found} is not listed in {path}; remove one of them")


def _unwrap(path: Path, weights: object) -> dict[str, Tensor]:
    """Return the state_dict itself: training checkpoints keep it beside the optimiser's."""
    for wrapper in _WRAPPERS:
        if isinstance(weights, dict) and wrapper in weights:
            weights = weights[wrapper]
    if not isinstance(weights, dict) or not all(torch.is_tensor(v) for v in weights.values()):
        raise ModelError(f"{path} holds no state_dict; give the model.pt of a FunASR model")
    return {key.removeprefix("module."): value for key, value in weights.items()}


def _check_keys(path: Path, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    advice = "config.yaml and model.pt must be of the same model"
    for verb, keys in (
        ("lacks", sorted(wanted.keys() - given.keys())),
        ("has the unexpected", sorted(given.keys() - wanted.keys())),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ModelError(f"{path} {verb} key {keys[0]}{more}; {advice}")
    for key, value in wanted.items():
        if given[key].shape != value.shape:
            raise ModelError(
                f"{path}: {key} has shape {tuple(given[key].shape)}, not {tuple(value.shape)}; "
                f"{advice}"
            )
