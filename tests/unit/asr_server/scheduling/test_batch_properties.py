"""What holds for every queue: budgets, no loss, no starvation; and how full batches are."""

import math
import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import batch_rule, service_time, work, work_queue


@dataclass(frozen=True)
class Limits:
    batch_size: int = 32
    batch_audio_s: float = 300.0
    max_wait_ms: float = 5.0


CLASSES = st.sampled_from(["final", "partial", "file"])
LENGTHS_S = st.floats(0, 100)
ITEMS = st.lists(st.tuples(CLASSES, LENGTHS_S, st.floats(0, 60)), min_size=1, max_size=60)
LIMITS = st.builds(Limits, st.integers(1, 40), st.floats(0.1, 400), st.floats(0, 50))
BATCHES = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.001, 5)), max_size=10)


def learned(batches):
    model = service_time.ServiceTime()
    for padded_s, busy_s in batches:
        model = model.after(padded_s, busy_s)
    return model


def queue_of(items):
    queue = work_queue.WorkQueue()
    for number, (kind, audio_s, deadline) in enumerate(items):
        queue.add(work.WorkItem(number, 0, kind, audio_s, deadline, 0.0, 0.0))
    return queue


def batches_of(queue, limits, model, now=0.0):
    while len(queue):
        decision = batch_rule.decide_batch(
            queue.look_ahead(), limits, now, service_time=model, idle=False
        )
        queue.remove(decision.items)
        yield decision


@given(ITEMS, LIMITS, BATCHES)
def test_every_item_is_in_exactly_one_batch_and_no_batch_exceeds_its_budget(items, limits, past):
    seen = []
    for batch in batches_of(queue_of(items), limits, learned(past)):
        assert len(batch.items) <= limits.batch_size
        assert batch.padded_s <= limits.batch_audio_s or len(batch.items) == 1
        seen += [item.item_id for item in batch.items]
    assert sorted(seen) == list(range(len(items)))


@given(ITEMS, LIMITS, BATCHES, st.floats(0, 70))
def test_a_wait_ends_within_its_limit(items, limits, past, now):
    queue = queue_of(items)
    decision = batch_rule.decide_batch(
        queue.look_ahead(), limits, now, service_time=learned(past), idle=True
    )
    if isinstance(decision, batch_rule.Wait):
        assert now < decision.until <= limits.max_wait_ms / 1000
        later = batch_rule.decide_batch(
            queue.look_ahead(), limits, decision.until, service_time=learned(past), idle=True
        )
        assert isinstance(later, batch_rule.Release)


@given(
    victim=st.tuples(CLASSES, LENGTHS_S, st.floats(0, 60)),
    backlog=st.lists(st.tuples(CLASSES, LENGTHS_S, st.floats(0, 60)), max_size=20),
    lengths_s=st.lists(LENGTHS_S, min_size=1, max_size=5),
)
def test_a_flood_of_urgent_newcomers_starves_nobody(victim, backlog, lengths_s):
    queue = queue_of([victim, *backlog])
    urgency = next(work.urgency(item) for item in queue if item.item_id == 0)
    limits = Limits(batch_size=1)
    for second in range(1000):
        newcomer = lengths_s[second % len(lengths_s)]
        queue.add(work.WorkItem(1000 + second, 0, "final", newcomer, second, second, second))
        (batch,) = (next(batches_of(queue, limits, service_time.ServiceTime(), float(second))),)
        if batch.items[0].item_id == 0:
            break
    assert second <= urgency + len(backlog) + 1


def test_a_short_utterance_overtakes_the_hour_that_came_before_it():
    queue = work_queue.WorkQueue()
    for index in range(600):
        deadline = work.segment_deadline(5.0, index * 6.0)
        queue.add(work.WorkItem(1, index, "file", 5.5, deadline, 0.0, 0.0))
    queue.add(work.WorkItem(2, 0, "file", 5.5, 20.0 + 5.0, 20.0, 20.0))
    batches = batches_of(queue, Limits(batch_size=8), service_time.ServiceTime(), 20.0)
    places = [
        place for place, batch in enumerate(batches) for item in batch.items if item.item_id == 2
    ]
    assert places == [1]


def test_batches_of_speech_are_mostly_speech():
    # 20,000 lognormal utterances (median 3.9 s, mean 5.2 s, clipped) of which 256 wait at a time.
    chance = random.Random(1)
    sigma = math.sqrt(2 * math.log(5.2 / 3.9))
    lengths_s = [
        min(30.0, max(0.4, 3.9 * math.exp(sigma * chance.gauss(0, 1)))) for _ in range(20_000)
    ]
    queue, audio_s, padded_s = work_queue.WorkQueue(), 0.0, 0.0
    for number, length_s in enumerate(lengths_s):
        queue.add(work.WorkItem(number, 0, "file", length_s, number, number, number))
        if len(queue) == 256:
            batch = next(batches_of(queue, Limits(), service_time.ServiceTime()))
            audio_s, padded_s = audio_s + batch.audio_s, padded_s + batch.padded_s
    assert audio_s / padded_s >= 0.85
