"""What the autoscaler remembers of one service between two ticks.

After a restart changes come back from status.scalingHistory, the model from Prometheus' past, the
rest from a few ticks, during which nothing is taken away; `fullness` as it was at the last change
for the load's sake, or else it begins anew. A memory is kept only when the decision that came with
it was applied.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from asr_operator.api.autoscaling import ScalingSpec
from asr_operator.autoscaler import service_model
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.state.load import BatchPoint
from asr_operator.state.scaling import Change, Fleet, ScalingDecision

HISTORY = 10
FULLNESS_INPUT = "fullness"


@dataclass(frozen=True, slots=True)
class Wish:
    """How many replicas, and how large a batch, one tick would have had; None: no opinion.

    `up` is what the load needs, `down` what would carry it with a margin, a fraction as it is.
    """

    at: float
    up: int
    down: float
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The state between two ticks; times in Unix seconds.

    `watching_since` is since when the load has been known without a long gap, `demands` the demand
    at recent ticks, `lateness` latency over objective at the last three, 0 for none. `finals`
    counts answers since the fleet last changed, `fleet` is its replicas asked for and ready.
    `last` is the decision of the last tick, made by `spec`. `model` is of busy seconds, `cpu` of
    what rounds use of the CPU limit, in seconds of all of it. `fullness` is how full a replica may
    be with batches of `fullness_size`, None before it was guessed; `crowded_at` when one was last
    much fuller, or may have been, before the operator started. `late_ratio` is the share of finals
    that were late of late, of which a restart knows nothing.
    """

    started_at: float
    watching_since: float
    changes: tuple[Change, ...] = ()
    model: ServiceModel = field(default_factory=ServiceModel)
    cpu: ServiceModel = field(default_factory=ServiceModel)
    item_padded_s: float | None = None
    padded_per_audio: float | None = None
    audio_per_session: float | None = None
    fullness: float | None = None
    fullness_size: int = 0
    crowded_at: float = float("-inf")
    late_ratio: float = 0.0
    wishes: tuple[Wish, ...] = ()
    demands: tuple[tuple[float, float], ...] = ()
    lateness: tuple[float, ...] = ()
    finals: float = 0.0
    unknown_since: float | None = None
    fleet: tuple[int, int] | None = None
    fleet_changed_at: float = float("-inf")
    ticked_at: float = float("-inf")
    last: ScalingDecision | None = None
    spec: ScalingSpec | None = None

    def with_fleet(self, fleet: Fleet, now: float) -> "Memory":
        """Return the memory after seeing the fleet: a change of its size starts a new count."""
        size = (fleet.desired, len(fleet.ready))
        if size == self.fleet:
            return self
        if self.fleet is None:
            return replace(self, fleet=size)
        return replace(self, fleet=size, fleet_changed_at=now, finals=0.0)

    def with_gap(self, now: float) -> "Memory":
        """Return the memory at a moment when the load is unknown."""
        return self if self.unknown_since is not None else replace(self, unknown_since=now)

    def without_gap(self, now: float, long_s: float) -> "Memory":
        """Return the memory when the load is known again; a long gap ends what was watched."""
        if self.unknown_since is None:
            return self
        watched = now if now - self.unknown_since >= long_s else self.watching_since
        return replace(self, unknown_since=None, watching_since=watched)

    def with_change(self, change: Change) -> "Memory":
        """Return the memory after a change; the fleet is not what it was measured at."""
        return replace(self, changes=(*self.changes, change)[-HISTORY:], finals=0.0)

    def with_wish(self, wish: Wish, keep_s: float) -> "Memory":
        """Return the memory with one more wish, and those of the last `keep_s` seconds."""
        kept = tuple(old for old in self.wishes if old.at >= wish.at - keep_s)
        return replace(self, wishes=(*kept, wish))

    def last_change(self, knob: str) -> Change | None:
        """Return the last change of a knob, None if there was none that is remembered."""
        return next((change for change in reversed(self.changes) if change.knob == knob), None)


def restore(
    history: tuple[Change, ...], started_at: float, points: Iterable[BatchPoint] = ()
) -> Memory:
    """Return the memory of an operator that starts now; `history` is oldest first."""
    return Memory(
        started_at=started_at,
        watching_since=started_at,
        changes=history[-HISTORY:],
        fullness=_read_fullness(history),
        crowded_at=started_at,
        model=service_model.refit(points),
    )


def _read_fullness(history: tuple[Change, ...]) -> float | None:
    """Return how full a replica could be at the last change that says so."""
    for change in reversed(history):
        with suppress(KeyError, ValueError):
            return float(dict(change.inputs)[FULLNESS_INPUT])
    return None
