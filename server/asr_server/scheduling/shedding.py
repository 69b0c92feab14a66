"""How much is left undone while live speech is late: the ladder. Pure: `now` is an argument.

Steps, each with all before it
1. Partials of 2pass come less often; those that their final overtakes are never computed.
2. Utterances of 2pass have no partials any more. In mode online partials are the answer: they stay.
3. Recordings wait as long as anything live does.
4. New sessions are refused.
Finals are never dropped.

Rules
1. A step is climbed when live work has been later than the step allows for `RISE_S` on end, or for
   `STEEP_S` where it is later still than when the step below was climbed: that one is not enough.
   Partials give way to finals, so they are late first: they count until there are none.
2. A step is left when nothing was late for as long as the ladder is patient; then the next one.
3. Who climbs again soon after leaving was impatient: the patience doubles. It halves when a step is
   left after another, with no climb between. So a load that only a step carries does not swing.
4. Step 4 knows no patience: it is left once finals are in time for `RISE_S`. How many may come then
   is said by `capacity`; a ladder that waits would let a server run empty that refuses everybody.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

RISE_S, STEEP_S = 0.5, 0.2
CALM_RATIO = 0.25  # of what step 1 allows: as late as that is not late
SOON_S = 10.0
PATIENCE_S, MOST_PATIENCE_S = 2.0, 60.0
_ALLOWED_RATIO = (1.0, 2.0, 2.0, 3.0)  # of `late_ms`, before each step is climbed
_NEVER_S = float("inf")


class Step(IntEnum):
    """What is in force."""

    NOTHING = 0
    FEWER_PARTIALS = 1
    NO_PARTIALS = 2
    FILES_WAIT = 3
    REFUSE = 4


class Limits(Protocol):
    """When the ladder is climbed, and how far apart partials are on its first step."""

    @property
    def late_ms(self) -> float:
        """How late live work may be; 0: the ladder is never climbed."""

    @property
    def partial_interval_ms(self) -> float:
        """How much audio is between partials on step 1."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """For how long the most urgent waiting work has been due, in seconds; 0 if it is in time."""

    finals_s: float = 0.0
    partials_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where the ladder stands; times are monotonic seconds.

    `late_since` is since when live work is too late for the step, `calm_since` since when nothing
    is late, `left_at` when a step was left last, and `relapsed` whether one was climbed after that.
    `climbed_late_s` is how late work was when a step was climbed last, until it was in time again.
    """

    step: Step = Step.NOTHING
    late_since: float | None = None
    calm_since: float | None = None
    left_at: float = -_NEVER_S
    relapsed: bool = False
    patience_s: float = PATIENCE_S
    climbed_late_s: float = _NEVER_S

    def after(self, late: Lateness, limits: Limits, now: float) -> "Ladder":
        """Return the ladder that has also seen how late live work is."""
        if limits.late_ms == 0:
            return Ladder()
        allowed_s = limits.late_ms / 1000
        if self.step is Step.REFUSE:
            return self._stop_refusing(now, in_time=late.finals_s <= allowed_s)
        all_s = max(late.finals_s, late.partials_s)
        late_s = all_s if self.step < Step.NO_PARTIALS else late.finals_s
        seen = replace(
            self,
            late_since=_since(self.late_since, now, holds=late_s > allowed_s * self._climbs_at),
            calm_since=_since(self.calm_since, now, holds=all_s <= allowed_s * CALM_RATIO),
        )
        if all_s <= allowed_s:
            seen = replace(seen, climbed_late_s=_NEVER_S)
        rise_s = STEEP_S if late_s > seen.climbed_late_s else RISE_S
        if seen.late_since is not None and now - seen.late_since >= rise_s:
            return seen._climb(late_s, now)
        if seen.step and seen.calm_since is not None and now - seen.calm_since >= seen.patience_s:
            return seen._leave(now)
        return seen

    @property
    def _climbs_at(self) -> float:
        return _ALLOWED_RATIO[self.step]

    def _stop_refusing(self, now: float, *, in_time: bool) -> "Ladder":
        calm_since = _since(self.calm_since, now, holds=in_time)
        if calm_since is None or now - calm_since < RISE_S:
            return replace(self, calm_since=calm_since)
        step = Step.FILES_WAIT
        return replace(self, step=step, calm_since=None, climbed_late_s=_NEVER_S)

    def _climb(self, late_s: float, now: float) -> "Ladder":
        step = Step(self.step + 1)
        patience_s = self.patience_s
        if step is not Step.REFUSE and now - self.left_at < max(SOON_S, patience_s):
            patience_s = min(2 * patience_s, MOST_PATIENCE_S)
        return Ladder(
            step,
            left_at=self.left_at,
            relapsed=True,
            patience_s=patience_s,
            climbed_late_s=late_s,
        )

    def _leave(self, now: float) -> "Ladder":
        patience_s = self.patience_s if self.relapsed else max(self.patience_s / 2, PATIENCE_S)
        step = Step(self.step - 1)
        return Ladder(step, calm_since=now, left_at=now, patience_s=patience_s)


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now if since is None else since


def partial_gap_s(step: Step, limits: Limits) -> float:
    """Return how many seconds of new speech a partial of 2pass needs; infinite: there is none."""
    if step >= Step.NO_PARTIALS:
        return _NEVER_S
    return limits.partial_interval_ms / 1000 if step >= Step.FEWER_PARTIALS else 0.0
