"""The columns that a simulation is made of: sessions, utterances, pods, counters, cursors.

Numbers in lists or arrays, so that what works on them can be compiled.
"""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

NOBODY = -1
LOBBY, LOST = -2, -3
TRY_EVERY_S, GIVE_UP_S = 2, 30.0
STEP_S = 1.0
GOLDEN = 0.6180339887498949

LATENCY_BOUNDS_S = (
    0.05,
    0.1,
    0.2,
    0.3,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
    20.0,
    60.0,
    300.0,
)
WAIT_BOUNDS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0)

# Counters.
AUDIO, INPUTS, REFUSED, FINALS, LATE, UNANSWERED = 0, 1, 2, 3, 4, 5
BATCHES, ITEMS, PADDED, BUSY, FULL, MOVED, DROPPED = 6, 7, 8, 9, 10, 11, 12
WORK = 13
LATENCIES = 14
WAITS = LATENCIES + len(LATENCY_BOUNDS_S) + 1
COUNTERS = WAITS + len(WAIT_BOUNDS_S) + 1

# Cursors: the next session to come, to leave, the next utterance, the oldest session that may
# still be there, and how many sessions are in the lobby, and pods ready and draining.
COMING, LEAVING, SPEAKING, OLDEST, WAITING, READY, DRAINING = 0, 1, 2, 3, 4, 5, 6
CURSORS = 7


class State(NamedTuple):
    """Everything that changes, and the workload: columns by session, utterance and pod."""

    start_s: Sequence[float]
    end_s: Sequence[float]
    luck: Sequence[float]
    leaving: Sequence[int]
    pod_of: MutableSequence[int]
    owed: MutableSequence[int]
    tries: MutableSequence[int]
    lobby_since: MutableSequence[float]
    held_first: MutableSequence[int]
    held_last: MutableSequence[int]
    due_s: Sequence[float]
    audio_s: Sequence[float]
    caller: Sequence[int]
    came_s: MutableSequence[float]
    following: MutableSequence[int]
    sessions: MutableSequence[int]
    free_at: MutableSequence[float]
    first: MutableSequence[int]
    last: MutableSequence[int]
    queued: MutableSequence[int]
    is_draining: MutableSequence[int]
    quota_period: MutableSequence[int]
    quota_used_s: MutableSequence[float]
    ready: MutableSequence[int]
    draining: MutableSequence[int]
    counters: MutableSequence[float]
    cursors: MutableSequence[int]
