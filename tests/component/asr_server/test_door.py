"""More speakers at once than a new server lets in: the others wait at the door, and come in."""

import asyncio
import contextlib
import json
from http import HTTPStatus

import pytest
import websockets

from asr_server.scheduling.capacity import FEW_STREAMS

WAITING = 12
WAIT_S = 60.0
FRAME = bytes(1920)

pytestmark = pytest.mark.timeout(300)


async def speak(url, stack):
    """Open a live input, as a client that takes no for an answer only after a while."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                socket = await stack.enter_async_context(websockets.connect(url))
                break
            except websockets.InvalidStatus as refused:
                if refused.response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
    await socket.send(json.dumps({"mode": "2pass", "is_speaking": True}))
    await socket.send(FRAME)
    return socket


async def test_a_new_server_lets_a_crowd_in_by_and_by(launch):
    server = launch().wait_listening().wait_ready()
    async with contextlib.AsyncExitStack() as stack:
        crowd = [
            asyncio.create_task(speak(server.url, stack)) for _ in range(FEW_STREAMS + WAITING)
        ]
        await asyncio.to_thread(
            server.wait, lambda: server.metric("asr_waiting_sessions"), "somebody waits"
        )
        assert server.sessions() <= server.metric("asr_stream_limit")
        await asyncio.gather(*crowd)
    assert server.metric("asr_stream_limit") > FEW_STREAMS
    await asyncio.to_thread(server.wait, lambda: not server.sessions(), "all have gone")


@pytest.mark.slow
async def test_where_nothing_is_shed_nobody_waits(launch):
    server = launch("--shed-late-ms=0").wait_listening().wait_ready()
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(speak(server.url, stack) for _ in range(FEW_STREAMS + WAITING)))
        assert server.sessions() == FEW_STREAMS + WAITING
        assert server.metric("asr_stream_limit") == float("inf")
