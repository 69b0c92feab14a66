"""The WebSocket server: handshakes, the set of open connections, and when each is closed.

What a client says is handled in `connection`; who is let in is decided in `admission`.
"""

import asyncio
import contextlib
import functools
import http
import logging
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from asr_server.service import bounds
from asr_server.service.admission import DRAINING, Admission
from asr_server.service.audio_socket import AudioSocket
from asr_server.service.connection import Connection, Surroundings, peer_address
from asr_server.service.tokens import Tokens, find_token

SWEEP_S = 0.5
DRAIN_SWEEP_S = 0.05
FLUSH_S = 5.0
PING_S = 20.0
UNAUTHORIZED = "This server wants a token that it knows: Authorization: Bearer, or ?token=\n"
INBOUND_FRAMES = 4  # what may lie unread in a connection while its last message is taken in

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to listen."""

    host: str
    port: int
    max_message_bytes: int
    tls: ssl.SSLContext | None = None


class Listener:
    """The WebSocket port and everything that is connected to it."""

    def __init__(
        self,
        admission: Admission,
        around: Surroundings,
        limits: bounds.Bounds,
        tokens: Tokens | None = None,
    ) -> None:
        self._tokens = tokens
        self._admission = admission
        self._around = around
        self._bounds = limits
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: Server | None = None
        for state in ("idle", "speaking", "draining"):
            gauge = around.metrics.sessions.labels(state)
            gauge.set_function(functools.partial(self._count, state))

    @property
    def draining(self) -> bool:
        """Whether sessions are closed as soon as nothing is owed to them."""
        return self._admission.closed is DRAINING

    async def start(self, endpoint: Endpoint) -> int:
        """Listen; return the port. Raises OSError.

        Pings keep proxies from cutting quiet connections. No pong is waited for: a client may be
        too busy to send one, and one that is gone is found by the bounds.
        """
        self._server = await serve(
            self._handle,
            endpoint.host,
            endpoint.port,
            select_subprotocol=_select_subprotocol,
            create_connection=AudioSocket,
            compression=None,
            process_request=self._admit,
            server_header=None,
            ping_interval=PING_S,
            ping_timeout=None,
            max_size=endpoint.max_message_bytes,
            max_queue=INBOUND_FRAMES,
            ssl=endpoint.tls,
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def sweep(self) -> None:
        """Close connections that are due to be closed, for ever."""
        while True:
            now, draining = time.monotonic(), self.draining
            for connection in self._connections:
                close = bounds.decide_close(connection.view(), self._bounds, now, draining=draining)
                if close is not None:
                    connection.end(close)
            await asyncio.sleep(DRAIN_SWEEP_S if draining else SWEEP_S)

    async def wait_empty(self) -> None:
        """Return when no connection is left."""
        await self._empty.wait()

    async def stop(self) -> None:
        """Let nobody in, give every session its finals if they come soon, close all."""
        self._admission.close(DRAINING)
        for connection in self._connections:
            connection.finish_input()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await asyncio.gather(*(found.settle() for found in self._connections))
        for connection in self._connections:
            connection.close(bounds.TIME_IS_UP)
        await self.wait_empty()
        if self._server is not None:
            self._server.close(close_connections=False)

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        # What the library takes for an upgrade is its affair: whoever asks for any shows a token.
        if not request.headers.get_all("Upgrade"):
            return None  # the library answers that this is a WebSocket port
        if not self._knows(request):
            return self._refuse_unknown(socket)
        refusal = await self._admission.admit(peer_address(socket), socket)
        if refusal is None:
            return None
        response = socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, refusal.message + "\n")
        response.headers["Retry-After"] = str(refusal.retry_after_s)
        return response

    def _knows(self, request: Request) -> bool:
        if self._tokens is None:
            return True
        headers = request.headers.get_all("Authorization")
        return self._tokens.admit(find_token(headers[0] if headers else None, request.path))

    def _refuse_unknown(self, socket: ServerConnection) -> Response:
        self._around.metrics.refused_sessions.labels("unauthorized").inc()
        response = socket.respond(http.HTTPStatus.UNAUTHORIZED, UNAUTHORIZED)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    async def _handle(self, socket: ServerConnection) -> None:
        assert isinstance(socket, AudioSocket)
        address = peer_address(socket)
        # Handshakes that went on side by side may all have been let in.
        if (refusal := self._admission.refuse(address)) is not None:
            await socket.close(CloseCode.TRY_AGAIN_LATER, refusal.message)
            return
        with self._admission.count(address, socket):
            note_input = functools.partial(self._admission.note_input, socket)
            connection = Connection(socket, self._around, note_input)
            self._connections.add(connection)
            self._empty.clear()
            try:
                await connection.run()
            except Exception:
                logger.exception("a connection failed inside the server")
                raise
            finally:
                self._connections.discard(connection)
                if not self._connections:
                    self._empty.set()

    def _count(self, state: str) -> float:
        return sum(
            _state(found.view(), draining=self.draining) == state for found in self._connections
        )


def _state(view: bounds.ConnectionView, *, draining: bool) -> str:
    if draining:
        return "draining"
    return "speaking" if view.speaking or view.owed else "idle"


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    binary = Subprotocol("binary")
    return binary if binary in offered else None
