"""In virtual time: every wait is exact and costs nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from asr_operator.cluster.work_queue import Outcome, QueuePolicy, Result, WorkQueue

A, B, C = ("speech", "a"), ("speech", "b"), ("speech", "c")

pytestmark = pytest.mark.looptime


def policy(**times):
    return QueuePolicy(**{"jitter": lambda: 0.5, "resync_s": 100.0, **times})


class Work:
    """Work that takes a second, notes when it began, and ends as it is told."""

    def __init__(self, *outcomes, takes_s=1.0):
        self.outcomes = list(outcomes)
        self.takes_s = takes_s
        self.began = []
        self.running = set()
        self.most_running = 0
        self.failures = []

    async def __call__(self, key):
        assert key not in self.running, "a key is worked on by one worker at a time"
        self.running.add(key)
        self.most_running = max(self.most_running, len(self.running))
        self.began.append((asyncio.get_running_loop().time(), key))
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.running.discard(key)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.DONE
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, Result) else Result(outcome)

    def fail(self, key, error):
        self.failures.append((key, type(error)))

    def times(self, key):
        return [time for time, found in self.began if found == key]


@contextlib.asynccontextmanager
async def serving(work, workers=1, **times) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(work, work.fail, policy(**times))
    tasks = [asyncio.create_task(queue.serve()) for _ in range(workers)]
    try:
        yield queue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_a_marked_key_is_worked_on_at_once():
    work = Work()
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(1)
    assert work.began == [(0, A)]


async def test_a_key_waits_once_however_often_it_is_marked():
    work = Work()
    async with serving(work) as queue:
        for _ in range(5):
            queue.mark(A)
        assert queue.depth == 1
        await asyncio.sleep(50)
    assert work.times(A) == [0]


async def test_a_key_that_is_marked_during_its_work_is_worked_on_once_more():
    work = Work()
    async with serving(work, workers=3) as queue:
        queue.mark(A)
        await asyncio.sleep(0.5)
        queue.mark(A)
        queue.mark(A)
        await asyncio.sleep(50)
    assert work.times(A) == [0, 1]


async def test_workers_work_on_different_keys_at_the_same_time():
    work = Work()
    async with serving(work, workers=2) as queue:
        for key in (A, B, C):
            queue.mark(key)
        await asyncio.sleep(10)
    assert work.began == [(0, A), (0, B), (1, C)]
    assert work.most_running == 2


async def test_every_key_comes_round_again():
    work = Work()
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(250)
    assert work.times(A) == [0, 101, 202]


@pytest.mark.parametrize(("jitter", "second"), [(0.0, 91), (1.0, 111)])
async def test_resyncs_are_spread(jitter, second):
    work = Work()
    async with serving(work, jitter=lambda: jitter) as queue:
        queue.mark(A)
        await asyncio.sleep(150)
    assert work.times(A) == pytest.approx([0, second])


async def test_a_key_is_looked_at_again_when_its_work_says_so():
    work = Work(Result(Outcome.DONE, 15), Result(Outcome.DONE, 15), Result(Outcome.DONE, 999))
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(250)
    assert work.times(A) == [0, 16, 32, 133, 234]


async def test_a_key_that_fails_is_looked_at_when_its_work_says_so_too():
    work = Work(*[Result(Outcome.RETRY, 3)] * 4)
    async with serving(work, first_backoff_s=2) as queue:
        queue.mark(A)
        await asyncio.sleep(15)
    assert work.times(A) == [0, 2.5, 6.5, 10.5, 14.5]


async def test_a_mark_starts_the_resync_time_anew():
    work = Work()
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(50)
        queue.mark(A)
        await asyncio.sleep(100)
    assert work.times(A) == [0, 50]


async def test_a_key_that_is_gone_does_not_come_back_by_itself():
    work = Work(Outcome.GONE)
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(500)
        assert work.times(A) == [0]
        queue.mark(A)
        await asyncio.sleep(10)
    assert work.times(A) == [0, 500]


async def test_a_key_that_was_marked_while_it_went_is_looked_at_again():
    work = Work(Outcome.GONE)
    async with serving(work) as queue:
        queue.mark(A)
        await asyncio.sleep(0.5)
        queue.mark(A)
        await asyncio.sleep(10)
    assert work.times(A) == [0, 1]


@pytest.mark.parametrize("failure", [Outcome.RETRY, RuntimeError("broken")])
async def test_each_failure_makes_a_key_wait_longer_up_to_a_limit(failure):
    work = Work(*[failure] * 5, takes_s=0)
    async with serving(work, first_backoff_s=4.0, longest_backoff_s=20.0) as queue:
        queue.mark(A)
        await asyncio.sleep(60)
    # Half the jitter: three quarters of 4, 8, 16, 20, 20.
    assert work.times(A) == [0, 3, 9, 21, 36, 51]


async def test_failures_are_told_and_stop_nobody():
    work = Work(RuntimeError("broken"))
    async with serving(work) as queue:
        queue.mark(A)
        queue.mark(B)
        await asyncio.sleep(2)
    assert work.failures == [(A, RuntimeError)]
    assert work.times(B) == [1]


async def test_a_success_ends_the_waiting():
    work = Work(Outcome.RETRY, Outcome.RETRY, Outcome.DONE, Outcome.RETRY, takes_s=0)
    async with serving(work, first_backoff_s=4.0) as queue:
        queue.mark(A)
        await asyncio.sleep(150)
    assert work.times(A) == [0, 3, 9, 109, 112]


async def test_a_mark_cuts_the_wait_short():
    work = Work(Outcome.RETRY, takes_s=0)
    async with serving(work, first_backoff_s=40.0) as queue:
        queue.mark(A)
        await asyncio.sleep(5)
        queue.mark(A)
        await asyncio.sleep(60)
    assert work.times(A) == [0, 5]


async def test_a_thousand_failures_overflow_nothing():
    work = Work(*[Outcome.RETRY] * 1200, takes_s=0)
    async with serving(work, first_backoff_s=1.0, longest_backoff_s=4.0) as queue:
        queue.mark(A)
        await asyncio.sleep(3 * 1200)
    assert len(work.times(A)) > 1200


async def test_work_ends_at_its_deadline():
    work = Work(takes_s=1000.0)
    async with serving(work, deadline_s=30.0) as queue:
        queue.mark(A)
        queue.mark(B)
        await asyncio.sleep(31)
    assert work.failures == [(A, TimeoutError)]
    assert work.times(B) == [30]


async def test_a_queue_stalls_when_there_is_work_and_none_ends():
    work = Work(takes_s=10.0)
    async with serving(work) as queue:
        await asyncio.sleep(5)
        assert queue.stalled_s() == 0
        queue.mark(A)
        queue.mark(B)
        await asyncio.sleep(8)
        assert queue.stalled_s() == 8
        await asyncio.sleep(7)
        assert queue.stalled_s() == 5
        assert queue.depth == 0
        await asyncio.sleep(10)
        assert queue.stalled_s() == 0
