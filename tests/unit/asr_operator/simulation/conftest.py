"""Short ways to say what comes and who serves it."""

import pytest

from asr_operator.simulation import run, workload
from asr_operator.simulation.policies import Wanted
from asr_operator.simulation.profiles import Costs, Profile
from asr_operator.simulation.run import Scenario
from asr_operator.simulation.workload import Call


class Script:
    """A policy that wants what was written down: replicas and batch size from a moment on."""

    interval_s = 5.0

    def __init__(self, *steps):
        self.steps = steps
        self.views = []

    def decide(self, view):
        self.views.append(view)
        _, replicas, batch_size = [step for step in self.steps if step[0] <= view.now][-1]
        return Wanted(replicas, batch_size)


@pytest.fixture
def script():
    return Script


@pytest.fixture
def profile():
    def make(**fields):
        default = {"costs": Costs(0.1, 0.02), "cold_start_s": (20.0, 30.0), "max_sessions": 30}
        return Profile(**{**default, **fields})

    return make


@pytest.fixture
def simulated(profile):
    """What comes of some calls, served as a script wants."""

    def make(calls, policy, *, duration_s=300.0, seed=1, outages=(), **fields):
        load = workload.build_workload([Call(*call) for call in calls], duration_s, seed, outages)
        given = {"profile": profile(), "objective_s": 1.0, "replicas": 2, "seed": seed, **fields}
        return run.simulate(Scenario(load, **given), policy)

    return make


@pytest.fixture
def steady_calls():
    """A call of 20 s every `gap_s`."""

    def make(gap_s=1.0, until_s=250.0):
        return [(number * gap_s, 20.0) for number in range(int(until_s / gap_s))]

    return make
