"""What a connection owes to the others that share its event loop."""

import asyncio

import pytest

from asr_server.metrics import Metrics
from asr_server.service import connection
from asr_server.service.bounds import AudioBudget
from asr_server.service.connection import Connection, Surroundings
from asr_server.speech.effects import SessionLimits


class FloodingSocket:
    """Has all its messages at once, so that reading one never suspends."""

    remote_address, close_code = ("192.0.2.1", 1), 1000

    def __init__(self, messages):
        self._messages = messages

    async def send(self, message):
        pass

    async def __aiter__(self):
        for message in self._messages:
            yield message


async def turns_beside(messages):
    limits = SessionLimits(3600.0, 3600.0, 10)
    around = Surroundings(None, AudioBudget(10**9), limits, Metrics().session)
    reader = asyncio.create_task(Connection(FloodingSocket(messages), around, lambda: None).run())
    turns = 0
    while not reader.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize(
    ("messages", "least"),
    [
        ([b"\x00"] * connection.YIELD_MESSAGES * 50, 50),
        ([b"\x00" * connection.SLICE_BYTES * 50], 49),
    ],
    ids=["many short messages", "one long message"],
)
async def test_the_event_loop_turns_while_a_flood_is_taken_in(messages, least):
    assert await turns_beside(messages) >= least
