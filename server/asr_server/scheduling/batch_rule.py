"""Which waiting items form the next batch of a stage, or how long to wait. Pure: no clock, no I/O.

1. The head, the most urgent item, is in the batch.
2. The batch is filled from the head's length bucket, most urgent first, then from the other
   buckets, the nearest first and the shorter before the longer.
3. An item of another bucket joins only if its padding costs no more than it saves: the start of a
   batch of its own, shared with all that wait in its bucket.
4. A batch has at most `batch_size` items and at most `batch_audio_s` padded seconds (items times
   the longest of them); only a head that is longer than that exceeds it, and goes alone.
5. While the head can meet its deadline, the batch stays short enough for that.
6. While speech is live, no batch is filled for longer than `LIVE_BATCH_S`, however long files are.
7. Only an idle engine waits for company: until `max_wait_ms` after the first of the batch was
   enqueued, or until the head's slack is used up.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from asr_server.scheduling import service_time as service_times
from asr_server.scheduling import work

BUCKET_EDGES_S = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 12, 15, 20, 25, 30, 45, 60)

ReleaseReason = Literal["size", "audio", "slack", "idle"]


class Limits(Protocol):
    """What bounds one batch."""

    @property
    def batch_size(self) -> int:
        """The most items."""

    @property
    def batch_audio_s(self) -> float:
        """The most padded audio seconds."""

    @property
    def max_wait_ms(self) -> float:
        """How long an idle engine waits for company."""


@dataclass(frozen=True, slots=True)
class Release:
    """Run these items now; `reason` is what kept the batch from growing, `idle` if nothing did."""

    items: tuple[work.WorkItem, ...]
    reason: ReleaseReason

    @property
    def audio_s(self) -> float:
        """The seconds that were asked for."""
        return sum(item.audio_s for item in self.items)

    @property
    def padded_s(self) -> float:
        """The seconds that are computed: every item is as long as the longest."""
        return len(self.items) * max(item.audio_s for item in self.items)


@dataclass(frozen=True, slots=True)
class Wait:
    """Run nothing before `until`, unless something arrives."""

    until: float


def decide_batch(
    waiting: Sequence[work.WorkItem],
    limits: Limits,
    now: float,
    *,
    service_time: service_times.ServiceTime,
    idle: bool,
    live: bool = False,
) -> Release | Wait:
    """Choose among at least one item, most urgent first.

    `idle` says that waiting is allowed, `live` that others are speaking while the batch runs.
    """
    head = waiting[0]
    slack_s = head.deadline - now
    if (service_time.predict_s(head.audio_s) or 0.0) > slack_s:
        slack_s = math.inf  # too late for the head: a short batch would only delay the others
    if live:
        slack_s = min(slack_s, work.LIVE_BATCH_S)
    release = _fill(waiting, limits, slack_s, service_time)
    if release.reason != "idle" or not idle:
        return release
    duration_s = service_time.predict_s(release.padded_s) or 0.0
    first = min(item.enqueued_at for item in release.items)
    until = min(first + limits.max_wait_ms / 1000, head.deadline - duration_s)
    return Wait(until) if now < until else release


def _fill(
    waiting: Sequence[work.WorkItem],
    limits: Limits,
    slack_s: float,
    service_time: service_times.ServiceTime,
) -> Release:
    batch = [waiting[0]]
    longest_s = waiting[0].audio_s
    start_padded_s, line = service_time.start_padded_s, service_time.find_line()
    for item, sharing in _candidates(waiting, limits.batch_size):
        if len(batch) >= limits.batch_size:
            break
        stretched_s = max(longest_s, item.audio_s)
        padded_s = stretched_s * (len(batch) + 1)
        padding_s = padded_s - longest_s * len(batch) - item.audio_s
        if sharing and padding_s > start_padded_s / sharing:
            continue
        if padded_s > limits.batch_audio_s:
            return Release(tuple(batch), "audio")
        if line.predict_s(padded_s) > slack_s:
            return Release(tuple(batch), "slack")
        batch.append(item)
        longest_s = stretched_s
    return Release(tuple(batch), _reason(len(batch), longest_s * len(batch), limits))


def _candidates(
    waiting: Sequence[work.WorkItem], batch_size: int
) -> Iterator[tuple[work.WorkItem, int]]:
    """Yield items after the head in the order they may join, each with how many would share a batch
    of their own; 0 for those of the head's bucket, which is where a batch of their own would be.
    """
    home = _bucket(waiting[0])
    buckets: defaultdict[int, list[work.WorkItem]] = defaultdict(list)
    for item in waiting[1:]:
        buckets[_bucket(item)].append(item)
    for bucket in sorted(buckets, key=lambda bucket: (abs(bucket - home), bucket)):
        sharing = 0 if bucket == home else min(batch_size, len(buckets[bucket]))
        for item in buckets[bucket]:
            yield item, sharing


def _bucket(item: work.WorkItem) -> int:
    return bisect_left(BUCKET_EDGES_S, item.audio_s)


def _reason(size: int, padded_s: float, limits: Limits) -> ReleaseReason:
    if size >= limits.batch_size:
        return "size"
    return "audio" if padded_s >= limits.batch_audio_s else "idle"
