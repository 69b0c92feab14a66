"""The largest number of sessions that holds, by doubling and bisection. Pure."""

from collections.abc import Mapping

RESOLUTION = 0.05


def choose_next(held: Mapping[int, bool], first: int, most: int) -> int | None:
    """Return how many sessions to try next, after what was tried; None when it is known well.

    It is when the smallest that did not hold is within 5 % of the largest that did.
    """
    good = max((sessions for sessions, holds in held.items() if holds), default=0)
    failed = [sessions for sessions, holds in held.items() if not holds and sessions > good]
    if not failed:
        return None if good >= most else min(most, 2 * good or first)
    bad = min(failed)
    if bad - good <= max(1, RESOLUTION * bad):
        return None
    return (good + bad) // 2 if good else max(1, bad // 2)


def find_largest(held: Mapping[int, bool]) -> int:
    """Return the largest number of sessions that held; 0 when none did."""
    return max((sessions for sessions, holds in held.items() if holds), default=0)
