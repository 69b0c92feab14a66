"""What every test run needs before the first test."""

import asyncio

import hypothesis


def pytest_configure() -> None:
    """Set up the libraries that tests stand on.

    The main thread gets no event loop: pytest-asyncio 1.5 would make one and never close it.
    Examples have no deadline of their own: how busy a machine is is no property of the code.
    """
    asyncio.set_event_loop(None)
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")
