"""How many live streams a server lets in after it was late. Pure: `now` is an argument.

The ladder's last step refuses new sessions while those that are in are late. Of a crowd that comes
within seconds all are in by then; but the next crowd need not be. So an overload teaches a limit.

1. The first window of an overload in which no more come tells it: the share of what was spoken that
   was settled is the share of the open streams that front and engine carry. Later windows say less:
   who is two seconds late computes larger batches, and carries more.
2. The limit is never below half of the streams that were there, and a few streams teach nothing.
3. It grows while nothing is late and most places are taken, and is forgotten after some minutes.
"""

import math
from dataclasses import dataclass, replace

WINDOW_S = 2.0  # between two observations
LATE_RATIO = 0.75  # of a window: then it is one of an overload
MARGIN, LEAST_SHARE = 0.95, 0.5
FEW_STREAMS, STABLE_RATIO = 16, 1.05
TAKEN, MORE_RATIO = 0.9, 1.05
MEMORY_S = 300.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One window: open streams, those that sent audio, and the seconds spoken and settled.

    `late_ratio`: for which part of it live work was late, or the front.
    """

    streams: int
    speaking: int
    spoken_s: float
    settled_s: float
    late_ratio: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """`streams` is how many are let in; infinite while that is not known.

    `learned_at` is when that was learned, `in_overload` whether the overload of then goes on, and
    `were_open` how many streams were open in the last window.
    """

    streams: float = math.inf
    learned_at: float = -math.inf
    in_overload: bool = False
    were_open: int = 0

    def after(self, seen: Observation, now: float) -> "Capacity":
        """Return what is known after one more window."""
        return replace(self._judge(seen, now), were_open=seen.streams)

    def _judge(self, seen: Observation, now: float) -> "Capacity":
        if seen.late_ratio >= LATE_RATIO:
            return self if self.in_overload else self._learn(seen, now)
        if now - self.learned_at > MEMORY_S:
            return Capacity()
        if seen.late_ratio:
            return self
        is_full = seen.streams >= TAKEN * self.streams
        streams = self.streams * MORE_RATIO if is_full else self.streams
        return replace(self, streams=streams, in_overload=False)

    def _learn(self, seen: Observation, now: float) -> "Capacity":
        if seen.speaking < FEW_STREAMS or seen.streams > STABLE_RATIO * self.were_open:
            return self
        share = seen.settled_s / seen.spoken_s if seen.settled_s < seen.spoken_s else 1.0
        streams = seen.streams * max(LEAST_SHARE, MARGIN * share)
        return Capacity(streams, learned_at=now, in_overload=True)
