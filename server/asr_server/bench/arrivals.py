"""When sessions come, and what each does: decided before the first one, so that no answer of the
server can change it (an open loop). Pure.

Steps: sessions come as a Poisson process; how many are open at a time follows the steps, later by
up to the length of a session. A crowd: so many sessions that come within seconds and all stay.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr_server.bench.speech import Speaking, Utterance

WANTED_S = (20.0, 30.0)  # a session ends with the turn after that: it lasts 20 to 40 s
MEAN_S = 30.0
THINK_S = (0.3, 1.5)
CROWD_S = 3.0  # within which a crowd comes
SHORTEST_PAUSE_S = 0.9  # so that a VAD hears two utterances
PAUSE_SPREAD = (0.6, 1.4)


@dataclass(frozen=True, slots=True)
class Step:
    """For a while, so many sessions at a time: from `first` to `sessions` in a straight line."""

    duration_s: float
    first: float
    sessions: float

    def sessions_at(self, offset_s: float) -> float:
        """Return how many are wanted so long after the step began."""
        return self.first + (self.sessions - self.first) * offset_s / self.duration_s


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
    """Read steps such as `30x10,60x10-100`: 30 s with 10 sessions, then 60 s of a rise to 100.

    Raises ValueError when it is something else.
    """
    steps = []
    for part in text.split(","):
        try:
            duration, _, sessions = part.partition("x")
            first, _, last = sessions.partition("-")
            steps.append(Step(float(duration), float(first), float(last or first)))
        except ValueError:
            raise ValueError(f"{part!r}: steps look like 30x10,60x10-100") from None
    if not all(step.duration_s > 0 for step in steps):
        raise ValueError("a step lasts some seconds")
    return steps


def plan_sessions(steps: Sequence[Step], speaker: Speaking, seed: int) -> list[SessionPlan]:
    """Plan all sessions of a load, in the order in which they come."""
    draw = random.Random(seed)
    return [plan_session(start_s, speaker, draw) for start_s in draw_arrivals(steps, draw)]


def plan_crowd(
    sessions: int, duration_s: float, silence_ratio: float, speaker: Speaking, seed: int
) -> list[SessionPlan]:
    """Plan so many sessions that come within seconds and begin no turn after `duration_s`.

    Pauses are drawn around what makes them `silence_ratio` of the time, if utterances are long
    enough for pauses of 0.9 s at least.
    """
    draw = random.Random(seed)
    starts_s = sorted(draw.uniform(0.0, CROWD_S) for _ in range(sessions))
    return [
        SessionPlan(start_s, tuple(_draw_turns(duration_s - start_s, silence_ratio, speaker, draw)))
        for start_s in starts_s
    ]


def _draw_turns(
    left_s: float, silence_ratio: float, speaker: Speaking, draw: random.Random
) -> Iterator[Turn]:
    while left_s > 0:
        utterance = speaker.next()
        mean_s = utterance.duration_s * silence_ratio / (1 - silence_ratio)
        turn = Turn(max(SHORTEST_PAUSE_S, mean_s * draw.uniform(*PAUSE_SPREAD)), utterance)
        left_s -= turn.think_s + utterance.duration_s
        yield turn


def draw_arrivals(steps: Sequence[Step], draw: random.Random) -> Iterator[float]:
    """Yield the times of a Poisson process whose rate keeps each step's sessions open."""
    begin_s = 0.0
    for step in steps:
        most = max(step.first, step.sessions)
        offset_s = 0.0
        while most:
            offset_s += draw.expovariate(most / MEAN_S)
            if offset_s >= step.duration_s:
                break
            if draw.random() * most < step.sessions_at(offset_s):  # so that the rate is this
                yield begin_s + offset_s
        begin_s += step.duration_s


def plan_session(start_s: float, speaker: Speaking, draw: random.Random) -> SessionPlan:
    """Plan a session that ends with the turn during which its drawn time is up."""
    wanted_s = draw.uniform(*WANTED_S)
    turns: list[Turn] = []
    lasted_s = 0.0
    while lasted_s < wanted_s:
        turn = Turn(draw.uniform(*THINK_S), speaker.next())
        turns.append(turn)
        lasted_s += turn.think_s + turn.utterance.duration_s
    return SessionPlan(start_s, tuple(turns))
