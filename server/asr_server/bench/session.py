"""One client of FunASR's stock protocol: it speaks in real time, turn by turn, over one connection.

Each turn is an input of its own, in mode offline or online.

Retry policy, as an application would have it: refused at the door (HTTP 503, no connection) it
knocks again for a while. Told to connect again (close code 1012) it does so and goes on; what it
had begun to say is said again from the start. Any other end of the connection is a cut stream.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import CloseCode

from asr_server.bench.arrivals import SessionPlan, Turn
from asr_server.bench.ledger import Ledger
from asr_server.bench.speech import BYTES_PER_S, RATE_HZ
from asr_server.client.arguments import ServerAddress
from asr_server.client.connecting import connect_once, read_retry_after
from asr_server.speech.replies import ServerReply, parse_reply

CHUNK_BYTES = int(0.6 * BYTES_PER_S)
FRAME_BYTES = 1920  # 60 ms, as FunASR's Python client cuts audio
RETRY_S, PATIENCE_S = 0.3, 20.0
ANSWER_WITHIN_S = 30.0
END = json.dumps({"is_speaking": False})


class TurnedAwayError(Exception):
    """Nobody opened for as long as a client knocks."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions share; `clock` gives seconds of the load."""

    server: ServerAddress
    ledger: Ledger
    clock: Callable[[], float]
    late: Callable[[float], None]
    """Told how much later than due each message was sent."""
    mode: str = "offline"
    frame_bytes: int = FRAME_BYTES
    """Of live audio; a file is sent in larger pieces."""
    answer_within_s: float = field(default_factory=lambda: ANSWER_WITHIN_S)
    """How long to wait for answers once all is said."""

    async def open(self) -> ClientConnection:
        """Connect, knocking for a while, within what `Retry-After` asks for.

        Raises TurnedAwayError.
        """
        end_s = self.clock() + PATIENCE_S
        while True:
            try:
                return await connect_once(self.server, direct=True)
            except (OSError, InvalidHandshake, TimeoutError) as error:
                self.ledger.count("turned_away")
                wait_s = RETRY_S + random.random() * read_retry_after(error)
            if self.clock() > end_s:
                raise TurnedAwayError
            await asyncio.sleep(wait_s)

    def parse(self, message: str | bytes) -> ServerReply | None:
        """Return what a message says; None of one that makes no sense, which is taken down."""
        try:
            return parse_reply(message)
        except ValueError:
            self.ledger.stray()
            return None

    async def send_at(self, due_s: float, socket: ClientConnection, message: str | bytes) -> None:
        """Send a message when it is due. Raises ConnectionClosed."""
        await asyncio.sleep(due_s - self.clock())
        self.late(self.clock() - due_s)
        await socket.send(message)


class Session:
    """A client from its arrival to its last answer."""

    def __init__(self, plan: SessionPlan, around: Surroundings) -> None:
        self._turns = list(reversed(plan.turns))
        self._around = around
        self._begun = False
        self._owed: set[str] = set()
        self._words: dict[str, str] = {}
        self._frame_bytes = CHUNK_BYTES if around.mode == "offline" else around.frame_bytes
        self._settled = asyncio.Event()

    async def run(self) -> None:
        """Say everything, over as many connections as it takes."""
        self._around.ledger.count("session")
        try:
            while self._turns:
                await self._run_connection()
        except TurnedAwayError:
            self._around.ledger.count("given_up")

    async def _run_connection(self) -> None:
        socket = await self._around.open()
        reader = asyncio.create_task(self._read(socket))
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            await self._speak_all(socket)
            async with asyncio.timeout(self._around.answer_within_s):
                await self._settled.wait()
        if socket.close_code is not None and (self._turns or self._owed):
            self._take_note_of_close(socket.close_code)
        self._owed.clear()  # what is not answered by now is lost
        await socket.close()
        await reader

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if (reply := self._around.parse(message)) is not None:
                    self._take(reply)
        self._settled.set()  # nothing more will come

    def _take(self, reply: ServerReply) -> None:
        """Take a message; in mode online the words of an input are spread over several.

        FunASR's own servers do not say that the answer to a file is final.
        """
        if reply.acknowledges:
            return
        self._words[reply.name] = self._words.get(reply.name, "") + reply.text
        if reply.final or self._around.mode == "offline":
            text = self._words.pop(reply.name)
            self._around.ledger.receive(reply.name, text, self._around.clock())
            self._owed.discard(reply.name)
            self._settle()

    def _settle(self) -> None:
        if not self._turns and not self._owed:
            self._settled.set()

    async def _speak_all(self, socket: ClientConnection) -> None:
        self._settled.clear()
        now_s = self._around.clock()
        while self._turns:
            now_s = await self._speak(socket, self._turns[-1], now_s)
            self._turns.pop()
            self._begun = False
        self._settle()

    async def _speak(self, socket: ClientConnection, turn: Turn, now_s: float) -> float:
        """Say an utterance after a pause from `now_s` on; return when it is said."""
        utterance = turn.utterance
        now_s += turn.think_s
        await self._around.send_at(now_s, socket, render_begin(utterance.name, self._around.mode))
        self._begun = True
        pcm = utterance.pcm
        for start in range(0, len(pcm), self._frame_bytes):
            chunk = pcm[start : start + self._frame_bytes]
            now_s += len(chunk) / BYTES_PER_S
            await self._around.send_at(now_s, socket, chunk)
        self._owed.add(utterance.name)
        try:
            await socket.send(END)
        except ConnectionClosed:
            self._owed.discard(utterance.name)
            raise
        self._around.ledger.send(utterance.name, utterance.text, now_s)
        return now_s

    def _take_note_of_close(self, code: int) -> None:
        """Tell a move, which the server asked for while it owed nothing, from a cut stream."""
        moved = code == CloseCode.SERVICE_RESTART and not self._owed
        self._around.ledger.count("moved" if moved else "cut")
        if self._begun:
            self._around.ledger.count("said_again")
        self._begun = False


def render_begin(name: str, mode: str = "offline") -> str:
    """Render the message before an utterance, with what FunASR's own client says there."""
    about = {"mode": mode, "wav_name": name, "wav_format": "pcm", "audio_fs": RATE_HZ}
    live = {"chunk_size": [5, 10, 5], "chunk_interval": 10}
    return json.dumps(about | {"is_speaking": True, "itn": True} | live)
