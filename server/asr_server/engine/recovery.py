"""What happens when a batch fails: the others are answered, the one that is at fault is not.

1. An exception: the batch is halved until the poisonous input is alone; it alone fails.
2. Out of memory: the halves are tried again with the memory of the failed attempt released; an
   input that is alone is tried once more, while no other batch needs memory.
3. A lost device: nothing can be computed any more, the exception ends the engine.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr_server.engine import protocols
from asr_server.engine.protocols import Input, Output

logger = logging.getLogger(__name__)

Compute = Callable[[Sequence[Input]], Sequence[Output]]


@dataclass(frozen=True, slots=True)
class Poison:
    """The answer for an input that cannot be computed."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Failure:
    """Words only: a traceback would keep the tensors of the failed attempt alive."""

    reason: str
    out_of_memory: bool


def run_batch(
    compute: Compute[Input, Output],
    inputs: Sequence[Input],
    device: protocols.Device,
    on_out_of_memory: Callable[[int], None],
) -> list[Output | Poison]:
    """Compute every input, in order; `on_out_of_memory` is told the size of what did not fit."""
    attempt = _attempt(compute, inputs, device)
    if not isinstance(attempt, _Failure):
        return list(attempt)
    if attempt.out_of_memory:
        on_out_of_memory(len(inputs))
        device.release_memory()
    if len(inputs) > 1:
        half = len(inputs) // 2
        return run_batch(compute, inputs[:half], device, on_out_of_memory) + run_batch(
            compute, inputs[half:], device, on_out_of_memory
        )
    if attempt.out_of_memory:
        attempt = _attempt(compute, inputs, device, alone=True)
    return [Poison(attempt.reason)] if isinstance(attempt, _Failure) else list(attempt)


def _attempt(
    compute: Compute[Input, Output],
    inputs: Sequence[Input],
    device: protocols.Device,
    *,
    alone: bool = False,
) -> Sequence[Output] | _Failure:
    try:
        outputs = device.compute(compute, inputs, alone=alone)
        if len(outputs) != len(inputs):
            raise RuntimeError(f"{len(outputs)} answers came for {len(inputs)} inputs")
    except Exception as error:
        if device.is_lost(error):
            raise
        if device.is_out_of_memory(error):
            logger.warning("out of memory in a batch of %d: %s", len(inputs), _describe(error))
            return _Failure("the device has not enough memory for this audio", out_of_memory=True)
        if len(inputs) == 1:
            logger.exception("an item cannot be computed")
        return _Failure(_describe(error), out_of_memory=False)
    return outputs


def _describe(error: Exception) -> str:
    """Return the kind of an error, and what it says, if it says anything."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
