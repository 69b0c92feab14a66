"""One training run: AdamW with a warm-up and a linear decay, resumed where it was stopped.

A step depends on the weights, torch's random state and its number alone, so that a run that was
stopped and goes on gives what an unbroken one gives.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_REPORT_EVERY = 50
_KEEP_EVERY = 250
_LARGEST_GRADIENT = 5.0

Loss = Callable[[int], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn."""

    steps: int
    rate: float
    warm_up: int = 200
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Return the learning rate: it rises for `warm_up` steps and falls in the last 80 %."""
        left = 1 - step / self.steps
        return self.rate * min(1.0, (step + 1) / self.warm_up, 1.25 * left + 1e-3)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, the file that keeps what a run has reached, and the model folder to write."""

    schedule: Schedule
    checkpoint: Path
    folder: Path

    def describe(self, name: str, parameters: int, elapsed_s: float) -> dict[str, object]:
        """Return the facts about a finished run that the manifest tells."""
        return {
            "class": name,
            "parameters": parameters,
            "seed": self.schedule.seed,
            "steps": self.schedule.steps,
            "rate": self.schedule.rate,
            "training_s": round(elapsed_s),
        }


def train(module: nn.Module, loss_of: Loss, plan: Plan) -> float:
    """Train a module in place and return the seconds that took.

    `loss_of` gives the loss of a step and what to tell about it.
    """
    schedule, path = plan.schedule, plan.checkpoint
    torch.manual_seed(schedule.seed)
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    start, before_s = _resume(path, module, optimiser)
    began = time.monotonic()
    module.train()
    for step in range(start, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss, told = loss_of(step)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), _LARGEST_GRADIENT)
        optimiser.step()
        elapsed_s = before_s + time.monotonic() - began
        done = step + 1
        if done % _REPORT_EVERY == 0:
            values = " ".join(f"{name} {value:.3f}" for name, value in told.items())
            print(f"{path.stem}: step {done} of {schedule.steps}, {elapsed_s:.0f} s, {values}")
        if done % _KEEP_EVERY == 0 or done == schedule.steps:
            _keep(path, module, optimiser, (done, elapsed_s))
    return before_s + time.monotonic() - began


def _keep(path: Path, module: nn.Module, optimiser: Any, reached: tuple[int, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "module": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "reached": reached,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(path: Path, module: nn.Module, optimiser: Any) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"])
    step, elapsed_s = state["reached"]
    print(f"{path.stem}: goes on at step {step}")
    return step, elapsed_s
