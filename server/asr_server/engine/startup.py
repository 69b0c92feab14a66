"""From a model's name to models that are loaded, warmed up and ready for the first batch.

torch is imported here and not before, so that a missing installation is an answer, not a traceback.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr_server.engine import cpu_quota
from asr_server.link import messages
from asr_server.models import errors

if TYPE_CHECKING:
    from asr_server.engine.torch_device import TorchDevice
    from asr_server.models.loading import Models

DEMO = "demo"


class StartError(Exception):
    """The engine cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What to load and where: `demo` or a folder; 0 threads for what the CPU quota allows."""

    model: str
    device: str
    dtype: str
    threads: int


def start(choice: ModelChoice, limits: messages.BatchLimits) -> "tuple[Models, TorchDevice]":
    """Load models and warm them up for batches within the limits. Raises `StartError`."""
    try:
        from asr_server.engine import torch_device
    except ImportError as error:
        reason = f"{error}: install the engine's dependencies (asr-server[engine])"
        raise StartError(reason) from error
    device = torch_device.TorchDevice(choice.device, choice.threads or cpu_quota.count_threads())
    try:
        return _load(choice, limits), device
    except errors.ModelError as error:
        raise StartError(str(error)) from error
    except Exception as error:
        reason = f"{choice.model} cannot be used on {choice.device}: {error}"
        if device.is_out_of_memory(error):
            reason = (
                f"not enough memory for {choice.model} with batches of {limits.batch_size} items"
            )
            reason += f" and {limits.batch_audio_s:g} s: allow less, or give the server more memory"
        raise StartError(reason) from error


def _load(choice: ModelChoice, limits: messages.BatchLimits) -> "Models":
    from asr_server.models import loading

    folder = loading.demo_directory() if choice.model == DEMO else Path(choice.model)
    models = loading.load_models(folder, device=choice.device, dtype=choice.dtype)
    models.warm_up(limits.batch_size, limits.batch_audio_s)
    return models
