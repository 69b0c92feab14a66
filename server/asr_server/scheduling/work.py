"""One piece of work that waits for a stage of the engine, and how urgent it is.

Urgency is a fixed point in time, not a score that changes: an item is overtaken only by items that
were received before that point, so no flood of newer work can starve it. That is the ageing.
"""

from typing import Literal

import msgspec

ItemClass = Literal["final", "partial", "file"]

# How much later than a final with the same deadline the others come.
LAG_S: dict[ItemClass, float] = {"final": 0.0, "partial": 1.0, "file": 30.0}
LONGEST_WAIT_S = 3600.0  # whatever the deadline says, an item ages as if it were due by then
PACE_AFTER_S = 30.0
PIECES_AHEAD_S = 300.0  # how far the VAD may be ahead: enough segments to fill batches from
LIVE_WITHIN_S = 0.2  # what is spoken now is due so long after it came to a stage
LIVE_BATCH_S = 0.2  # and while anything is, no batch is filled for longer than this


class WorkItem(msgspec.Struct, frozen=True, gc=False):
    """The work `index` of what `item_id` stands for; times are monotonic seconds.

    `received_at` is when the utterance came, `enqueued_at` when it began to wait for this stage.
    """

    item_id: int
    index: int
    item_class: ItemClass
    audio_s: float
    deadline: float
    received_at: float
    enqueued_at: float


def urgency(item: WorkItem, *, files_wait: bool = False) -> float:
    """Return the time at which the item is due among others: the least comes first.

    `files_wait`: what is not live is due as late as anything may be.
    """
    latest = item.received_at + LONGEST_WAIT_S
    if files_wait and item.item_class == "file":
        return latest + LAG_S["file"]
    due = min(max(item.deadline, item.received_at), latest)
    return due + LAG_S[item.item_class]


def segment_deadline(deadline: float, start_s: float) -> float:
    """Return the deadline of the segment that starts at `start_s` of an utterance.

    What lies beyond the first half minute is due at the pace of speech, so that the segments of an
    hour do not stand in front of whatever comes after it.
    """
    return deadline + max(0.0, start_s - PACE_AFTER_S)


def piece_deadline(deadline: float, start_s: float) -> float:
    """Return the deadline of hearing the piece of an utterance that starts at `start_s`."""
    return segment_deadline(deadline, start_s - PIECES_AHEAD_S)
