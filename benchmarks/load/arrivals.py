"""When sessions come, and what each does: decided before the first one, so that no answer of the
server can change it (an open loop). Pure.

Sessions come as a Poisson process; how many are open at a time follows the steps, later by up to
the length of a session.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.load.speech import Speaker, Utterance

WANTED_S = (20.0, 30.0)  # a session ends with the turn after that: it lasts 20 to 40 s
MEAN_S = 30.0
THINK_S = (0.3, 1.5)


@dataclass(frozen=True, slots=True)
class Step:
    """For a while, about so many sessions at a time."""

    duration_s: float
    sessions: float


@dataclass(frozen=True, slots=True)
class Turn:
    """What a session says, and how long after its previous turn's end (or its own start)."""

    think_s: float
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One client: when it comes, and its turns."""

    start_s: float
    turns: tuple[Turn, ...]

    @property
    def duration_s(self) -> float:
        """How long it stays, its last answer not included."""
        return sum(turn.think_s + turn.utterance.duration_s for turn in self.turns)


def parse_steps(text: str) -> list[Step]:
    """Read steps such as `30x10,80x100`: 30 s with 10 sessions, then 80 s with 100.

    Raises ValueError when it is something else.
    """
    steps = []
    for part in text.split(","):
        try:
            duration, _, sessions = part.partition("x")
            steps.append(Step(float(duration), float(sessions)))
        except ValueError:
            raise ValueError(f"{part!r}: steps look like 30x10,80x100") from None
    if not all(step.duration_s > 0 and step.sessions >= 0 for step in steps):
        raise ValueError("a step lasts some seconds and has no negative number of sessions")
    return steps


def plan_sessions(steps: Sequence[Step], speaker: Speaker, seed: int) -> list[SessionPlan]:
    """Plan all sessions of a load, in the order in which they come."""
    draw = random.Random(seed)
    return [plan_session(start_s, speaker, draw) for start_s in draw_arrivals(steps, draw)]


def draw_arrivals(steps: Sequence[Step], draw: random.Random) -> Iterator[float]:
    """Yield the times of a Poisson process whose rate keeps each step's sessions open."""
    begin_s = 0.0
    for step in steps:
        end_s = begin_s + step.duration_s
        now_s = begin_s
        while step.sessions:
            now_s += draw.expovariate(step.sessions / MEAN_S)
            if now_s >= end_s:
                break
            yield now_s
        begin_s = end_s


def plan_session(start_s: float, speaker: Speaker, draw: random.Random) -> SessionPlan:
    """Plan a session that ends with the turn during which its drawn time is up."""
    wanted_s = draw.uniform(*WANTED_S)
    turns: list[Turn] = []
    lasted_s = 0.0
    while lasted_s < wanted_s:
        turn = Turn(draw.uniform(*THINK_S), speaker.next())
        turns.append(turn)
        lasted_s += turn.think_s + turn.utterance.duration_s
    return SessionPlan(start_s, tuple(turns))
