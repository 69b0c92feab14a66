"""The passing of time in a simulation: plain loops over columns of numbers, so that the benchmark
can compile them. Uncompiled they do the same, and take fifty times as long.

Sessions come, move and leave at whole seconds; batches are exact.
"""

import math

from asr_operator.simulation import batches, sessions
from asr_operator.simulation.columns import DRAINING, READY, STEP_S, WAITING, State
from asr_operator.simulation.profiles import Costs, Limits


def advance(state: State, limits: Limits, costs: Costs, begin: float, end: float) -> None:
    """Let time pass; which pods are ready or drain does not change meanwhile."""
    now = begin
    while now < end:
        until = min(end, math.floor(now / STEP_S + 1.0) * STEP_S)
        sessions.retire_sessions(state, until)
        if state.cursors[DRAINING] > 0:
            sessions.move_sessions(state, limits, now, until)
        if state.cursors[WAITING] > 0:
            sessions.empty_lobby(state, limits, now)
        sessions.accept_sessions(state, limits, until)
        sessions.accept_utterances(state, until)
        for position in range(state.cursors[READY]):
            batches.serve(state, limits, costs, state.ready[position], until)
        for position in range(state.cursors[DRAINING]):
            batches.serve(state, limits, costs, state.draining[position], until)
        now = until
