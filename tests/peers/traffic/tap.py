"""A wire tap: every byte between a client and a server passes as it is, and is read on the side.

The client's handshake and frames thus are what the server really got; nothing in between answers.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from traffic.recording import HEADER_BYTES, Client, Frame, Recording, Speech

LINGER_S = 2.0
_TELLING = ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "User-Agent")


@dataclass
class Connection:
    """What passed on one connection."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    sent: list[tuple[float, WireFrame]] = field(default_factory=list)
    received: list[dict] = field(default_factory=list)
    received_at: list[float] = field(default_factory=list)
    close_code: int | None = None

    def recording(self, client: Client, speech: Speech, data: bytes) -> Recording:
        """Tell what the client sent, its audio as ranges of the speech."""
        return Recording(client, speech, self.headers, tuple(self._frames(data)), self.close_code)

    @property
    def audio(self) -> bytes:
        """All the audio that the client sent."""
        return b"".join(
            bytes(frame.data) for kind, _, frame in self._kinds() if kind is Opcode.BINARY
        )

    def _frames(self, data: bytes) -> Iterator[Frame]:
        place = 0
        for kind, at_s, frame in self._kinds():
            content = bytes(frame.data)
            if kind is Opcode.TEXT:
                yield Frame(at_s, text=content.decode(), fin=frame.fin)
                continue
            start = _find(content, data, place)
            place = start + len(content)
            yield Frame(at_s, audio=(start, place), fin=frame.fin)

    def _kinds(self) -> Iterator[tuple[Opcode, float, WireFrame]]:
        kind = Opcode.TEXT
        for at_s, frame in self.sent:
            kind = kind if frame.opcode is Opcode.CONT else frame.opcode
            yield kind, at_s, frame


def _find(content: bytes, data: bytes, place: int) -> int:
    """Say where content is in data, at `place` or after it.

    What came over a microphone is not what was played sample by sample: it counts as the next.
    """
    for start in (place, place + HEADER_BYTES):
        if data.startswith(content, start):
            return start
    return place


class Tap:
    """Listens on a port of its own and passes everything on to the server."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.connections: list[Connection] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[int]:
        """Serve in a thread of its own; yields the port."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            serve = asyncio.start_server(self._serve, "127.0.0.1", 0)
            server = asyncio.run_coroutine_threadsafe(serve, loop).result(5)
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    @property
    def received(self) -> list[dict]:
        """Every message that the server sent, in the order of connections."""
        return [message for connection in self.connections for message in connection.received]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", self._server_port)
        listener = _Listener()
        self.connections.append(listener.connection)
        try:
            await asyncio.gather(
                _pass_on(reader, upstream[1], listener.hear_client),
                _pass_on(upstream[0], writer, listener.hear_server),
            )
        finally:
            writer.close()
            upstream[1].close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, unfinished = await asyncio.wait(others, timeout=LINGER_S)
        for task in unfinished:  # a program that ended without closing its connection
            task.cancel()
        await asyncio.gather(*others)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):  # an end that is gone
        while data := await reader.read(1 << 16):
            hear(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class _Listener:
    """Reads both directions of one connection with the parsers of the websockets library."""

    def __init__(self) -> None:
        self.connection = Connection()
        self._client_side = ServerProtocol(max_size=None)
        self._server_side = ClientProtocol(parse_uri("ws://tapped/"), max_size=None)
        self._opened_at = 0.0

    def hear_client(self, data: bytes) -> None:
        self._client_side.receive_data(data)
        for event in self._client_side.events_received():
            if isinstance(event, Request):
                self._hear_request(event)
            else:
                self._hear_frame(event)

    def hear_server(self, data: bytes) -> None:
        self._server_side.receive_data(data)
        for event in self._server_side.events_received():
            if isinstance(event, Response):
                self.connection.status = event.status_code
                self._opened_at = time.monotonic()
            elif event.opcode is Opcode.TEXT:
                self.connection.received.append(json.loads(bytes(event.data)))
                self.connection.received_at.append(time.monotonic() - self._opened_at)

    def _hear_request(self, request: Request) -> None:
        headers = request.headers
        self.connection.headers = {name: headers[name] for name in _TELLING if name in headers}
        self.connection.headers["path"] = urlsplit(request.path).path
        self._client_side.send_response(self._client_side.accept(request))
        self._server_side.key = headers["Sec-WebSocket-Key"]
        asked = self._server_side.connect()
        if offered := headers.get("Sec-WebSocket-Protocol"):
            self._server_side.available_subprotocols = [word.strip() for word in offered.split(",")]
        self._server_side.send_request(asked)

    def _hear_frame(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.connection.close_code = int.from_bytes(frame.data[:2]) or None
        elif frame.opcode not in (Opcode.PING, Opcode.PONG):
            self.connection.sent.append((time.monotonic() - self._opened_at, frame))
