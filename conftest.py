"""What every test run needs before the first test."""

import asyncio


def pytest_configure() -> None:
    """Give the main thread no event loop: pytest-asyncio 1.5 would make one and never close it."""
    asyncio.set_event_loop(None)
