"""How many live streams a server lets in. Pure: `now` is an argument.

What a stream costs is seen seconds after it came: when its first words, and then its first final,
are due. Of a crowd that comes within three seconds all are in by then: lateness alone lets in too
many; and a server that is not late yet says nothing of how many more it would carry: engines that
are busy all the time may well be in time. So a number is let in that follows from what was carried.

1. A server begins with a few. Where nothing was left undone for `PROOF_S`, those who were there all
   the time are proved, and half as many again may come.
2. A server that begins to leave partials out has enough: no more come than are there. A few say
   nothing: that is a machine that was busy for a moment.
3. One that is late for `LESSON_S`, or whose front is, has too many: four fifths of them, once for
   each overload, and again for one that lasts: of those who have not left by then.
4. Neither takes more than half of what is let in: where far fewer are there than were carried, the
   machine stood still, or one had much to say.
5. After 2 or 3 only a fifth more than are proved may come, for some minutes.
"""

import math
from dataclasses import dataclass, field, replace

from asr_server.scheduling.shedding import Step

FEW_STREAMS, ENOUGH_STREAMS, LEAST_STREAMS = 64, 16, 4
PROOF_S = 3.0  # a stream that is there so long has had its first partials
UNTRIED_RATIO, TRIED_RATIO = 1.5, 1.2
LESSON_S, KEPT_RATIO, LEAST_RATIO = 1.0, 0.8, 0.5
LONG_S = 20.0
MEMORY_S = 300.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw: how many streams are open, and how much is left undone."""

    at: float
    streams: int
    step: Step


@dataclass(frozen=True, slots=True)
class Capacity:
    """`streams` is how many are let in.

    `looks` are those of the last `PROOF_S`. `late_since` is since when they show that too many are
    there, or when that had its effect last, `is_taught` whether it had any in this overload,
    `strained_at` when there were enough or too many last.
    """

    streams: float = FEW_STREAMS
    looks: tuple[Look, ...] = field(default=())
    late_since: float | None = None
    is_taught: bool = False
    strained_at: float = -math.inf

    def after(self, streams: int, step: Step, now: float) -> "Capacity":
        """Return what is known after a look, of which there are some in a second."""
        before = self.looks[-1].step if self.looks else Step.NOTHING
        looks = tuple(look for look in self.looks if look.at >= now - PROOF_S)
        seen = replace(self, looks=(*looks, Look(now, streams, step)))
        if step >= Step.REFUSE:
            return seen._learn(now)
        seen = replace(seen, late_since=None, is_taught=self.is_taught and seen._was_late)
        if before < Step.NO_PARTIALS <= step:
            return seen._keep(1.0, ENOUGH_STREAMS, now)
        return seen._prove(now)

    @property
    def _was_late(self) -> bool:
        return any(look.step >= Step.REFUSE for look in self.looks)

    def _learn(self, now: float) -> "Capacity":
        since = now if self.late_since is None else self.late_since
        if now - since < (LONG_S if self.is_taught else LESSON_S):
            return replace(self, late_since=since)
        return replace(self._keep(KEPT_RATIO, LEAST_STREAMS, now), late_since=now, is_taught=True)

    def _keep(self, ratio: float, least: int, now: float) -> "Capacity":
        most = max(look.streams for look in self.looks)
        least_now = max(least, LEAST_RATIO * self.streams)
        streams = min(self.streams, max(least_now, ratio * most))
        return replace(self, streams=streams, strained_at=now)

    def _prove(self, now: float) -> "Capacity":
        whole = now - self.looks[0].at >= PROOF_S * 0.9
        if not whole or any(look.step for look in self.looks):
            return self
        more = UNTRIED_RATIO if now - self.strained_at > MEMORY_S else TRIED_RATIO
        proved = min(look.streams for look in self.looks)
        return replace(self, streams=max(self.streams, more * proved, proved + 1))
