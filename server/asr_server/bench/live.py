"""One client that speaks without end in mode 2pass: one input, which the server cuts at pauses.

Audio comes in frames, silence too, each when it is due. A final answers an utterance when
its words have come. A stream that is refused or cut is over: nobody speaks on as if nothing was.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from asr_server.bench.arrivals import SessionPlan, Turn
from asr_server.bench.attribution import Stream
from asr_server.bench.session import (
    Surroundings,
    TurnedAwayError,
    render_begin,
)
from asr_server.bench.speech import BYTES_PER_S, RATE_HZ
from asr_server.speech.replies import ServerReply

TAIL_S = 1.5  # of silence, so that the last utterance is ended by it and not by the client
QUIET_S = 3.0  # servers that know no acknowledgement have said all after so long
END = json.dumps({"is_speaking": False, "is_end": True})


class LiveSession:
    """A client from its arrival to its last answer."""

    def __init__(self, number: int, plan: SessionPlan, around: Surroundings) -> None:
        self._name = f"live-{number}"
        self._plan = plan
        self._around = around
        self._stream = Stream()
        self._frame_bytes = around.frame_bytes
        self._frame_s = around.frame_bytes / BYTES_PER_S
        self._sent = 0
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Say everything, and wait for the answers."""
        self._around.ledger.count("session")
        try:
            socket = await self._around.open()
        except TurnedAwayError:
            self._around.ledger.count("given_up")
            return
        reader = asyncio.create_task(self._read(socket))
        try:
            await self._speak(socket)
            await socket.send(END)
            await self._wait_for_answers()
        except ConnectionClosed:
            self._around.ledger.count("cut")
        await socket.close()
        await reader

    async def _speak(self, socket: ClientConnection) -> None:
        began_s = self._around.clock()
        await socket.send(render_begin(self._name, "2pass"))
        for turn in self._plan.turns:
            pcm = self._say(turn, began_s)
            for start in range(0, len(pcm), self._frame_bytes):
                self._sent += 1
                due_s = began_s + self._sent * self._frame_s
                await self._around.send_at(due_s, socket, pcm[start : start + self._frame_bytes])

    def _say(self, turn: Turn, began_s: float) -> bytes:
        """Return the audio of a turn, which ends with a frame, and note when its end is due."""
        utterance = turn.utterance
        spoken = utterance.pcm
        pause_bytes = 2 * int(turn.think_s * RATE_HZ)
        pause_bytes += -(pause_bytes + len(spoken)) % self._frame_bytes
        start_s = self._sent * self._frame_s + pause_bytes / BYTES_PER_S
        end_s = start_s + len(spoken) / BYTES_PER_S
        name = f"{self._name}/{utterance.name}"
        self._stream.say(name, utterance.text, 1000 * start_s, 1000 * end_s)
        self._around.ledger.send(name, utterance.text, began_s + end_s + utterance.end_silence_s)
        last = turn is self._plan.turns[-1]
        tail_bytes = self._frame_bytes * round(TAIL_S / self._frame_s) if last else 0
        return bytes(pause_bytes) + spoken + bytes(tail_bytes)

    async def _wait_for_answers(self) -> None:
        until_s = self._around.clock() + self._around.answer_within_s
        while self._around.clock() < until_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await self._over.wait()
            if self._over.is_set() or self._stream.is_answered:
                return

    async def _read(self, socket: ClientConnection) -> None:
        async for reply in self._replies(socket):
            if reply.acknowledges:
                break
            if reply.mode == "2pass-offline" and reply.text:
                self._take(reply)
        self._over.set()

    async def _replies(self, socket: ClientConnection) -> AsyncIterator[ServerReply]:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if (reply := self._around.parse(message)) is not None:
                    yield reply

    def _take(self, reply: ServerReply) -> None:
        name = self._stream.hear(reply.text, reply.span_ms if reply.placed else None)
        if name is None:
            self._around.ledger.stray()
        else:
            self._around.ledger.hear(name, reply.text, self._around.clock())
