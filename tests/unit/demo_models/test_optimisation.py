"""A run that was stopped goes on as if it had not been."""

import pytest
import torch
from torch import nn

from demo_models import optimisation

SCHEDULE = optimisation.Schedule(steps=500, rate=1e-2, warm_up=10)


class StoppedError(Exception):
    """Somebody stopped the run."""


def run(path, stop_at=None):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))

    def loss_of(step):
        if step == stop_at:
            raise StoppedError
        loss = (module(torch.full((2, 3), float(step % 7))) - 1).square().mean()
        return loss, {"loss": loss.item()}

    optimisation.train(module, loss_of, optimisation.Plan(SCHEDULE, path, path.parent))
    return module.state_dict()


@pytest.mark.slow
def test_a_stopped_run_ends_where_an_unbroken_one_does(tmp_path):
    whole = run(tmp_path / "whole.pt")
    with pytest.raises(StoppedError):
        run(tmp_path / "stopped.pt", stop_at=400)
    resumed = run(tmp_path / "stopped.pt")
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_the_rate_rises_and_falls():
    rates = [SCHEDULE.rate_at(step) for step in range(SCHEDULE.steps)]
    assert rates[0] < rates[5] < rates[9] == SCHEDULE.rate
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < SCHEDULE.rate / 100
