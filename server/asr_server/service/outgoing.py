"""What waits to be sent to one client, and the task that alone waits for the client to read.

An increment that has not left is joined with the next one of its utterance, so that a client that
reads slowly gets the latest text at once, and all of it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed

from asr_server.service.account import Account
from asr_server.speech import messages, outbox
from asr_server.speech.effects import Increment, Outgoing, Reply


class Unsent:
    """The replies to one client that have not left."""

    def __init__(self, send: Callable[[str], Awaitable[None]], account: Account) -> None:
        self._send = send
        self._account = account
        self._replies: deque[Outgoing] = deque()
        self._added = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self.chars = 0
        """How long all of them are, but for their frames of JSON."""
        self.blocked_since: float | None = None

    def put(self, reply: Outgoing) -> None:
        """Add a reply behind all others."""
        self.chars += _length(reply)
        last = self._replies[-1] if self._replies else None
        joined = outbox.join_increments(last, reply)
        if joined is not None:
            self._replies[-1] = joined
        else:
            self._replies.append(reply)
        self._all_sent.clear()
        self._added.set()

    async def write(self) -> None:
        """Send for ever what there is."""
        while True:
            await self._added.wait()
            while self._replies:
                await self._send_one(self._replies.popleft())
            self._added.clear()
            self._all_sent.set()

    async def join(self) -> None:
        """Return when all is sent, or nobody is there to read it."""
        await self._all_sent.wait()

    def discard(self) -> None:
        """Nobody is there to read any more."""
        self._replies.clear()
        self.chars = 0
        self._all_sent.set()

    async def _send_one(self, reply: Outgoing) -> None:
        self.blocked_since = time.monotonic()
        try:
            await self._send(_render(reply))
            self._account.count_sent(reply)
        except ConnectionClosed:
            pass  # the client has left without its replies; the reader sees it too
        finally:
            self.blocked_since = None
            self.chars -= _length(reply)


def _length(reply: Outgoing) -> int:
    return len(reply.text if isinstance(reply, Increment) else reply.message)


def _render(reply: Outgoing) -> str:
    if isinstance(reply, Reply):
        return reply.message
    return messages.render_partial(reply.mode, reply.name, reply.text)
