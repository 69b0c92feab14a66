"""One WebSocket connection: carries messages between the socket, the session and the engine.

Three things run side by side: the reader, which never waits for the engine; the offline utterances
that are there (`utterances`), while live inputs need no task; the writer. Audio that nothing is
before does not even wait for the reader. No protocol rule lives here.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from asr_server.metrics import SessionMetrics
from asr_server.service import bounds
from asr_server.service.account import Account
from asr_server.service.audio_socket import AudioSocket
from asr_server.service.engine_link import Engine, Stream
from asr_server.service.gathering import Gathering
from asr_server.service.intake import Decoder, Intake
from asr_server.service.outgoing import Unsent
from asr_server.service.utterances import BUFFER_FULL, Utterances
from asr_server.speech import audio, effects
from asr_server.speech.session import Session

SLICE_BYTES = 256 * 1024  # the event loop turns between slices of a long message
YIELD_MESSAGES = 64  # and between so many short ones, which may all be there already
UNSENT_CHARS = 4_000_000  # replies that wait for a client that does not read
CLOSE_S = 5.0
SHUT_DOWN = "this server shuts down before the file is decoded: send it again"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all connections of a server share."""

    engine: Engine
    budget: bounds.AudioBudget
    limits: effects.SessionLimits
    metrics: SessionMetrics
    decoder: Decoder | None = None
    """What decodes files that are not WAV, if there is one."""
    gathering: Gathering | None = None
    """The selector of the event loop, if sockets with live inputs may wait in it."""


class Connection:
    """A client, from the end of its handshake to its own; `begin` is told of each input."""

    def __init__(
        self, socket: AudioSocket, around: Surroundings, begin: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._address = peer_address(socket)  # a TLS connection that is closed knows it no more
        self._around, self._begin = around, begin
        self._session = Session(around.limits)
        self._intake = Intake(self._session, around.decoder, self)
        self._held_samples = 0
        self._account = Account(around.metrics)
        self._unsent = Unsent(socket.send, self._account)
        self._utterances = Utterances(around.engine, self._resolve)
        self._streams: dict[int, Stream] = {}
        self._no_streams = asyncio.Event()
        self._no_streams.set()
        self._closing: asyncio.Task[None] | None = None
        self._leaving = self._gone = False
        self._received = 0
        self._busy = False  # with a message that cannot be taken at once
        self._opened_at = time.monotonic()
        self._heard_at: float | None = None

    async def run(self) -> None:
        """Serve the client until either side closes."""
        writer = asyncio.create_task(self._unsent.write())
        self._socket.take = self._take_at_once
        try:
            async for message in self._socket:
                self._busy = True
                self._received += 1
                if self._received % YIELD_MESSAGES == 0:
                    await asyncio.sleep(0)
                await self._receive(message)
                self._busy = False
        except ConnectionClosed:
            pass  # however a client leaves, it has left
        finally:
            self._gone = True
            self._socket.take = None
            await self._intake.close()
            writer.cancel()
            for stream in self._streams.values():
                stream.cancel()
            self._no_streams.set()
            await self._utterances.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._unsent.discard()
            if self._closing is not None:
                await self._closing
            self._hold(0)
            self._log_end()

    def hear(self, data: bytes, *, decoded: bool = False) -> None:
        """Take audio of the open input, as it came or decoded to mono 16 kHz int16."""
        self._apply(self._session.receive_audio(data, decoded=decoded))
        if self._around.budget.refuses(self._held_samples):
            self._apply(self._session.refuse_for_room(BUFFER_FULL))

    def refuse(self, reason: str) -> None:
        """Refuse the open input."""
        self._apply(self._session.refuse_input(reason))

    def view(self) -> bounds.ConnectionView:
        """Return what decides whether the connection is to be closed."""
        session, live = self._session, self._session.live
        return bounds.ConnectionView(
            opened_at=self._opened_at,
            heard_at=self._heard_at,
            blocked_since=self._unsent.blocked_since,
            in_input=session.in_input,
            has_audio=session.has_audio or self._intake.busy,
            silence_s=0.0 if live is None else live.silence_s,
            owed=bool(session.pending or self._unsent.chars),
        )

    def finish_input(self) -> None:
        """End the open input in the client's place, so that what it said is not lost.

        Nothing more is taken in after that: the connection is about to be closed.
        """
        self._leaving = True
        undecoded = self._intake.busy
        self._intake.stop()
        if self._gone:
            return
        if undecoded:
            self.refuse(SHUT_DOWN)
        if undecoded or self._session.has_audio:
            self._apply(self._session.end_input(time.monotonic()))

    async def settle(self) -> None:
        """Return when every ended input is answered and every reply is sent."""
        await self._utterances.join()
        await self._no_streams.wait()
        await self._unsent.join()

    def end(self, close: bounds.Close) -> None:
        """Close the connection, but first have what was said in a live input answered, if any."""
        if self._session.live is None or self._unsent.blocked_since is not None:
            self.close(close)
        else:
            self.finish_input()

    def close(self, close: bounds.Close) -> None:
        """Begin to close the connection, unless that has begun."""
        if self._closing is None:
            self._intake.stop()
            self._closing = asyncio.create_task(self._close(close))

    async def _receive(self, message: str | bytes) -> None:
        if self._leaving or self._closing is not None:
            return
        self._heard_at = time.monotonic()
        if isinstance(message, str):
            await self._intake.receive_text(message)
            if not self._leaving:
                self._apply(self._session.receive_text(message, self._heard_at))
            return
        for start in range(0, max(1, len(message)), SLICE_BYTES):
            if start:
                await asyncio.sleep(0)
            await self._intake.receive_audio(message[start : start + SLICE_BYTES])

    def _take_at_once(self, data: bytes) -> bool:
        if self._busy:
            return False
        if self._leaving or self._closing is not None:
            return True
        self._heard_at = time.monotonic()
        return self._intake.take_at_once(data)

    def _apply(self, due: Iterable[effects.Effect]) -> None:
        for effect in due:
            match effect:
                case effects.Hear():
                    self._hear(effect)
                case effects.Reply() | effects.Increment():
                    self._send(effect)
                case effects.Dropped(audio_s, mode, begins):
                    self._account.count_demand(mode, audio_s, int(begins))
                case effects.Disconnect(reason):
                    self.close(bounds.Close(CloseCode.POLICY_VIOLATION, reason))
                case _:
                    self._ask_engine(effect)
        self._hold(self._session.held_samples)

    def _ask_engine(self, effect: effects.Submit | effects.Listen | effects.Hush) -> None:
        match effect:
            case effects.Submit():
                self._submit(effect)
            case effects.Listen():
                self._listen(effect)
            case effects.Hush(number):
                self._streams[number].end(time.monotonic())

    def _hold(self, samples: int) -> None:
        self._around.budget.held_samples += samples - self._held_samples
        self._held_samples = samples

    def _send(self, reply: effects.Outgoing) -> None:
        self._unsent.put(reply)
        if self._unsent.chars > UNSENT_CHARS:
            self.close(bounds.Close(CloseCode.TRY_AGAIN_LATER, "replies are not read"))

    def _listen(self, listen: effects.Listen) -> None:
        deliver = functools.partial(self._take_result, listen.number)
        about = listen.mode, listen.chunk_size, deliver, listen.hints
        self._streams[listen.number] = self._around.engine.open_stream(*about)
        self._begin()
        self._no_streams.clear()
        self._let_wait(patient=True)
        self._account.count_demand(listen.mode, 0.0, inputs=1)

    def _hear(self, hear: effects.Hear) -> None:
        self._account.count_demand(hear.mode, audio.duration_s(len(hear.samples)))
        stream = self._streams.get(hear.number)
        assert self._heard_at is not None
        stored = 0 if stream is None else stream.feed(hear.samples, self._heard_at)
        if stored < len(hear.samples):
            missing = len(hear.samples) - stored
            self._apply(self._session.refuse_samples(hear.number, missing, BUFFER_FULL))

    def _take_result(self, number: int, result: effects.StreamResult) -> None:
        if self._gone:
            return
        if isinstance(result, effects.StreamDone | effects.Failure):
            del self._streams[number]
            if not self._streams:
                self._no_streams.set()
                self._let_wait(patient=False)
        self._apply(self._session.take_result(number, result, time.monotonic()))

    def _let_wait(self, *, patient: bool) -> None:
        if self._around.gathering is not None and (fd := self._socket.fileno()) is not None:
            self._around.gathering.set_patient(fd, patient=patient)

    def _submit(self, submit: effects.Submit) -> None:
        self._begin()
        self._account.count_demand("offline", audio.duration_s(len(submit.samples)), inputs=1)
        self._utterances.submit(submit)

    def _resolve(self, number: int, result: effects.Transcript | effects.Failure) -> None:
        self._apply(self._session.resolve(number, result))

    async def _close(self, close: bounds.Close) -> None:
        try:
            async with asyncio.timeout(CLOSE_S if self._unsent.blocked_since is None else 0):
                await self._socket.close(close.code, close.reason)
        except TimeoutError:
            self._socket.transport.abort()

    def _log_end(self) -> None:
        fields = {
            "address": self._address,
            "duration_s": round(time.monotonic() - self._opened_at, 3),
            "close_code": self._socket.close_code,
            **self._account.totals(),
        }
        logger.info("session ended", extra={"fields": fields})


def peer_address(socket: ServerConnection) -> str:
    """Return the IP address of the client."""
    return str(socket.remote_address[0]) if socket.remote_address else ""
