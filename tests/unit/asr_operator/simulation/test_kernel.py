"""The kernel against an exact simulation of events, one event at a time."""

import heapq
import math
from collections import defaultdict
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.simulation import batches, columns, kernel, run
from asr_operator.simulation.profiles import Costs, Limits
from asr_operator.simulation.workload import Workload

utterances = st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.5, 8.0)), min_size=1, max_size=60)
limits_of_all_kinds = st.builds(
    Limits,
    batch_size=st.integers(1, 8),
    batch_audio_s=st.sampled_from([6.0, 20.0, 120.0]),
    max_wait_s=st.sampled_from([0.0, 0.02, 0.5]),
    max_sessions=st.just(100),
    objective_s=st.just(1.0),
)
costs_of_all_kinds = st.sampled_from(
    [Costs(0.1, 0.02), Costs(0.0, 0.03, floor_s=0.4), Costs(0.03, 0.02, quota_ratio=0.5)]
)


class Events:
    """One pod, as a queue of events: utterances that come, waits that end, batches that end."""

    def __init__(self, items, limits, costs):
        self.items, self.limits, self.costs = items, limits, costs
        self.order = count()
        self.events = [(at, 0, next(self.order), "come", i) for i, (at, _) in enumerate(items)]
        heapq.heapify(self.events)
        self.waiting, self.busy, self.since_free = [], False, -math.inf
        self.latencies, self.batches, self.used_s = {}, [], defaultdict(float)

    def run(self):
        while self.events:
            now, _, _, kind, what = heapq.heappop(self.events)
            if kind == "come":
                self.waiting.append(what)
            if kind == "end":
                self.busy, self.since_free = False, now
            self.consider(now)
        return self

    def consider(self, now):
        # What comes at the very moment of a decision belongs to it.
        if self.busy or not self.waiting or (self.events and self.events[0][:2] == (now, 0)):
            return
        first_at = self.items[self.waiting[0]][0]
        if first_at > self.since_free and len(self.waiting) < self.limits.batch_size:
            until = first_at + self.limits.max_wait_s
            if now < until:
                heapq.heappush(self.events, (until, 1, next(self.order), "wait", None))
                return
        self.begin(now)

    def begin(self, now):
        batch, padded_s = [], 0.0
        for item in self.waiting[: self.limits.batch_size]:
            more_s = 1.1 * self.items[item][1]
            if batch and padded_s + more_s > self.limits.batch_audio_s:
                break
            batch.append(item)
            padded_s += more_s
        self.waiting = self.waiting[len(batch) :]
        end = self.find_end(now, padded_s)
        self.busy = True
        self.batches.append((now, len(batch)))
        self.latencies |= {item: end - self.items[item][0] for item in batch}
        heapq.heappush(self.events, (end, 2, next(self.order), "end", None))

    def find_end(self, now, padded_s):
        """By the clock: work goes on in each period until its quota is used up."""
        costs = self.costs
        left_s = max(costs.floor_s, costs.start_s + costs.audio_s * padded_s)
        if not costs.quota_ratio:
            return now + left_s
        while True:
            period = math.floor(now / costs.period_s + 1e-9)
            end_s, used_s = (period + 1) * costs.period_s, self.used_s[period]
            worked_s = min(left_s, costs.quota_ratio * costs.period_s - used_s, end_s - now)
            self.used_s[period] += max(0.0, worked_s)
            left_s -= max(0.0, worked_s)
            if left_s <= 1e-12:
                return now + worked_s
            now = end_s


def serve(items, limits, costs, end_s=100.0):
    sessions = len(items)
    load = Workload(
        duration_s=end_s,
        start_s=[0.0] * sessions,
        end_s=[at + 1.0 for at, _ in items],
        luck=[0.5] * sessions,
        due_s=[at for at, _ in items],
        audio_s=[audio_s for _, audio_s in items],
        caller=list(range(sessions)),
    )
    state = run.build_state(load)
    state.cursors[columns.READY] = 1
    kernel.advance(state, limits, costs, 0.0, end_s)
    return state


@given(utterances, limits_of_all_kinds, costs_of_all_kinds)
def test_batches_and_latencies_are_those_of_an_exact_simulation(items, limits, costs):
    items = sorted(items)
    exact = Events(items, limits, costs).run()
    counters = serve(items, limits, costs).counters
    assert counters[columns.FINALS] == len(items) == len(exact.latencies)
    assert counters[columns.BATCHES] == len(exact.batches)
    late = sum(latency_s > limits.objective_s + 1e-9 for latency_s in exact.latencies.values())
    assert counters[columns.LATE] == pytest.approx(late, abs=1e-6)
    full = sum(size == limits.batch_size for _, size in exact.batches)
    assert counters[columns.FULL] == full


@pytest.mark.parametrize(
    ("costs", "padded_s", "expected_s"),
    [
        (Costs(0.1, 0.02), 10.0, 0.3),
        (Costs(0.0, 0.03, floor_s=0.4), 5.0, 0.4),
        (Costs(0.0, 0.03, floor_s=0.4), 20.0, 0.6),
        (Costs(0.01, 0.0, quota_ratio=0.3), 1.0, 0.01),  # fits into the quota of one period
        (Costs(0.045, 0.0, quota_ratio=0.3), 1.0, 0.115),  # 30 ms, 70 ms throttled, 15 ms
        (Costs(0.06, 0.0, quota_ratio=0.3), 1.0, 0.13),
    ],
)
def test_a_batch_takes_as_long_as_its_costs_say(costs, padded_s, expected_s):
    state = serve([], Limits(1, 120.0, 0.0, 1, 1.0), costs)
    end_s = batches.compute(state, costs, 0, 0.0, batches.work_s(costs, padded_s))
    assert end_s == pytest.approx(expected_s)


def test_a_quota_is_shared_by_the_batches_of_a_period():
    """Of 0.5 CPUs, batches of 34 ms one after the other get half: not 29 a second, but 15."""
    costs = Costs(0.034, 0.0, quota_ratio=0.5)
    items = [(0.001 * number, 1.0) for number in range(150)]
    state = serve(items, Limits(1, 120.0, 0.0, 100, 1.0), costs, end_s=5.0)
    assert state.counters[columns.BATCHES] == pytest.approx(5.0 * 0.5 / 0.034, abs=2)
    assert batches.mean_s(costs, 1.0) == pytest.approx(0.068)


def test_time_in_one_step_is_time_in_many():
    items = [(0.37 * number, 1.0 + number % 5) for number in range(80)]
    limits, costs = Limits(4, 120.0, 0.02, 100, 1.0), Costs(0.1, 0.05)
    once = serve(items, limits, costs)
    load_end_s = 100.0
    state = serve(items, limits, costs, end_s=0.0)
    now = 0.0
    while now < load_end_s:
        until = min(load_end_s, now + 0.7)
        kernel.advance(state, limits, costs, now, until)
        now = until
    assert list(state.counters) == pytest.approx(list(once.counters))
