"""Waiting for a condition with a deadline; the last state is shown when it never comes."""

import json
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
POLL_S = 0.3
PATIENCE = float(os.environ.get("ASR_E2E_PATIENCE", "1"))  # stretches every deadline


def wait_for(
    what: str, observe: Callable[[], T], until: Callable[[T], Any] = bool, *, deadline_s: float = 60
) -> T:
    """Return the first state that satisfies `until`; fail with the last one at the deadline."""
    end = time.monotonic() + deadline_s * PATIENCE
    while True:
        state = observe()
        if until(state):
            return state
        if time.monotonic() > end:
            raise AssertionError(
                f"no {what} within {deadline_s * PATIENCE:g} s, but:\n{shown(state)}"
            )
        time.sleep(POLL_S)


def stays(what: str, observe: Callable[[], T], *, window_s: float) -> T:
    """Return the state when it stays equal for the whole window; fail with both states if not."""
    end = time.monotonic() + window_s
    first = observe()
    while time.monotonic() < end:
        time.sleep(POLL_S)
        last = observe()
        assert last == first, f"{what} changed from\n{shown(first)}\nto\n{shown(last)}"
    return first


def wait_until_still(what: str, observe: Callable[[], T], *, still_s: float) -> T:
    """Wait until the state has not changed for a while; fail when it keeps changing."""
    since, last = time.monotonic(), observe()

    def still() -> bool:
        nonlocal since, last
        now = observe()
        if now != last:
            since, last = time.monotonic(), now
        return time.monotonic() - since >= still_s

    wait_for(f"{what} that keeps still", still, deadline_s=10 * still_s)
    return last


def shown(state: Any) -> str:
    """Render a state for people, without the API server's bookkeeping."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(each) for key, each in value.items() if key != "managedFields"}
        return [bare(each) for each in value] if isinstance(value, list) else value

    return json.dumps(bare(state), indent=2, default=str, ensure_ascii=False)[:8000]
