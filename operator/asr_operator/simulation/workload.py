"""Who speaks, when, and for how long: decided before anything is served (an open loop).

A session speaks in real time: utterances of a few seconds with pauses between them, until its
audio is spent. It stays until a second after its last word, answered or not.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UTTERANCE_S = (3.2, 0.5)  # median and shape of a lognormal distribution
SHORTEST_S, LONGEST_S = 1.0, 12.0
PAUSE_S = (0.3, 1.5)
LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """A session: when it begins, and how much audio it brings."""

    start_s: float
    audio_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """At a moment the given share of the ready pods dies, one at least."""

    at_s: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Workload:
    """Sessions by their start and utterances by their end, as columns; `luck` is in [0, 1).

    `due_s` is when an utterance ends, which its latency counts from, `caller` the number of its
    session. Luck decides which pod a session gets.
    """

    duration_s: float
    start_s: Sequence[float]
    end_s: Sequence[float]
    luck: Sequence[float]
    due_s: Sequence[float]
    audio_s: Sequence[float]
    caller: Sequence[int]
    outages: tuple[Outage, ...] = ()


def build_workload(
    calls: Iterable[Call], duration_s: float, seed: int, outages: tuple[Outage, ...] = ()
) -> Workload:
    """Split calls into utterances; what would be said after `duration_s` is left out."""
    draw = random.Random(seed)
    ordered = sorted(calls, key=lambda call: call.start_s)
    utterances: list[tuple[float, float, int]] = []
    ends_s = []
    for caller, call in enumerate(ordered):
        spoken = list(_speak(call, draw))
        ends_s.append((spoken[-1][0] if spoken else call.start_s) + LINGER_S)
        utterances += [(at_s, audio_s, caller) for at_s, audio_s in spoken if at_s < duration_s]
    utterances.sort()
    return Workload(
        duration_s=duration_s,
        start_s=[call.start_s for call in ordered],
        end_s=ends_s,
        luck=[draw.random() for _ in ordered],
        due_s=[at_s for at_s, _, _ in utterances],
        audio_s=[audio_s for _, audio_s, _ in utterances],
        caller=[caller for _, _, caller in utterances],
        outages=outages,
    )


def _speak(call: Call, draw: random.Random) -> Iterable[tuple[float, float]]:
    """Yield end and length of each utterance."""
    at_s, left_s = call.start_s, call.audio_s
    while left_s > 0:
        wanted_s = UTTERANCE_S[0] * draw.lognormvariate(0, UTTERANCE_S[1])
        audio_s = min(left_s, max(SHORTEST_S, min(LONGEST_S, wanted_s)))
        if left_s - audio_s < SHORTEST_S:
            audio_s = left_s
        at_s += draw.uniform(*PAUSE_S) + audio_s
        left_s -= audio_s
        yield at_s, audio_s
