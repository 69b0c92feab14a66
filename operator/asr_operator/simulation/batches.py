"""What a pod computes: one batch at a time, of what waited longest, up to the batch size and the
audio bound. An engine that was free waits for company. A batch that runs is not interrupted, and
what it adds to the counters, it adds when it begins.

A final is late when it comes later than the objective, or not at all.
"""

import math

from asr_operator.simulation.columns import (
    BATCHES,
    BUSY,
    FINALS,
    FULL,
    ITEMS,
    LATE,
    LATENCIES,
    LATENCY_BOUNDS_S,
    NOBODY,
    PADDED,
    WAIT_BOUNDS_S,
    WAITS,
    WORK,
    State,
)
from asr_operator.simulation.profiles import Costs, Limits


def work_s(costs: Costs, padded_s: float) -> float:
    """Return how long a batch computes."""
    return max(costs.floor_s, costs.start_s + costs.audio_s * padded_s)


def mean_s(costs: Costs, padded_s: float) -> float:
    """Return how long a batch takes among others, when there is always one to compute."""
    left_s = work_s(costs, padded_s)
    return left_s / costs.quota_ratio if costs.quota_ratio > 0.0 else left_s


def compute(state: State, costs: Costs, pod: int, start: float, left_s: float) -> float:
    """Let a pod compute for so long; return when it is done.

    A quota is of each period of the clock: what one batch leaves of it, the next one has.
    """
    if costs.quota_ratio <= 0.0:
        return start + left_s
    quota_s, now = costs.quota_ratio * costs.period_s, start
    period = math.floor(start / costs.period_s + 1e-9)
    used_s = state.quota_used_s[pod] if state.quota_period[pod] == period else 0.0
    while left_s > min(quota_s - used_s, (period + 1) * costs.period_s - now) + 1e-12:
        left_s -= max(0.0, min(quota_s - used_s, (period + 1) * costs.period_s - now))
        period += 1
        now, used_s = period * costs.period_s, 0.0
    state.quota_period[pod] = period
    state.quota_used_s[pod] = used_s + left_s
    return now + left_s


def serve(state: State, limits: Limits, costs: Costs, pod: int, until: float) -> None:
    """Run the batches of a pod that begin before `until`."""
    while state.first[pod] != NOBODY:
        start = find_start(state, limits, pod)
        if start >= until:
            return
        run_batch(state, limits, costs, pod, start)


def find_start(state: State, limits: Limits, pod: int) -> float:
    """Return when the next batch begins."""
    came_s = state.came_s[state.first[pod]]
    if came_s <= state.free_at[pod]:
        return state.free_at[pod]
    start = came_s + limits.max_wait_s
    if state.queued[pod] < limits.batch_size:
        return start
    item = state.first[pod]
    for _ in range(limits.batch_size - 1):
        item = state.following[item]
    return min(start, state.came_s[item])


def run_batch(state: State, limits: Limits, costs: Costs, pod: int, start: float) -> None:
    """Take a batch from the queue, and count its finals."""
    padding = 1.0 + costs.padding_ratio
    item, size, padded_s = state.first[pod], 0, 0.0
    while item != NOBODY and size < limits.batch_size and state.came_s[item] <= start:
        more_s = padding * state.audio_s[item]
        if size > 0 and padded_s + more_s > limits.batch_audio_s:
            break
        padded_s += more_s
        size += 1
        item = state.following[item]
    end = compute(state, costs, pod, start, work_s(costs, padded_s))
    state.free_at[pod] = end
    counters = state.counters
    counters[BATCHES] += 1
    counters[ITEMS] += size
    counters[PADDED] += padded_s
    counters[BUSY] += end - start
    counters[WORK] += work_s(costs, padded_s)
    counters[FULL] += 1.0 if size == limits.batch_size else 0.0
    state.queued[pod] -= size
    for _ in range(size):
        done = state.first[pod]
        state.first[pod] = state.following[done]
        answer(state, limits, done, start, end)


def answer(state: State, limits: Limits, item: int, start: float, end: float) -> None:
    """Count a final, and how long it took."""
    latency_s, wait_s = end - state.due_s[item], start - state.came_s[item]
    state.owed[state.caller[item]] -= 1
    state.counters[FINALS] += 1
    state.counters[LATE] += 1.0 if latency_s > limits.objective_s else 0.0
    bucket = 0
    while bucket < len(LATENCY_BOUNDS_S) and latency_s > LATENCY_BOUNDS_S[bucket]:
        bucket += 1
    state.counters[LATENCIES + bucket] += 1
    bucket = 0
    while bucket < len(WAIT_BOUNDS_S) and wait_s > WAIT_BOUNDS_S[bucket]:
        bucket += 1
    state.counters[WAITS + bucket] += 1
