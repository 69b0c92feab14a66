"""Opens connections to a server: TLS, token, patience with one that is full.

A server that is full or restarts says so and when to come back; anything else is told at once.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from asr_server.client.arguments import ServerAddress, UsageError

RETRY_S = 1.0
MAX_RETRY_S = 30.0


class UnreachableError(Exception):
    """The server cannot be reached or does not let us in; the text says why."""


async def open_connection(
    server: ServerAddress, tell: Callable[[str], None], *, again: bool = False
) -> ClientConnection:
    """Connect, knocking for `patience_s` while the server is full. Raises UnreachableError.

    `again`: it was there just now, so it is waited for also while nobody answers at all.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + server.patience_s
    while True:
        try:
            return await connect_once(server)
        except InvalidStatus as error:
            wait_s, said = _explain_status(error)
        except (OSError, TimeoutError, InvalidHandshake) as error:
            wait_s, said = RETRY_S if again else None, _explain(error, server)
        if wait_s is None or loop.time() + wait_s > until:
            raise UnreachableError(said)
        tell(f"{said}; trying again in {wait_s:g} s")
        await asyncio.sleep(wait_s)


def make_tls(server: ServerAddress) -> ssl.SSLContext | None:
    """Return how certificates are judged; None without TLS. Raises UsageError."""
    if server.url.startswith("ws:"):
        return None
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise UsageError(f"--ca {server.ca_file}: {error}") from None
    if server.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect_once(server: ServerAddress, *, direct: bool = False) -> ClientConnection:
    """Connect, without patience; `direct` through no proxy, whatever the environment says.

    Raises OSError, TimeoutError and InvalidHandshake.
    """
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else None
    return await connect(
        server.url,
        subprotocols=[Subprotocol("binary")],
        additional_headers=headers,
        ssl=make_tls(server),
        proxy=None if direct else True,
        compression=None,
        max_size=None,
        ping_interval=None,
    )


def read_retry_after(error: Exception) -> float:
    """Return in how many seconds a server that refused asks to come back; 0 if it does not say."""
    if not isinstance(error, InvalidStatus):
        return 0.0
    after = error.response.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else 0.0


def _explain_status(error: InvalidStatus) -> tuple[float | None, str]:
    """Return after how many seconds to try again, if that makes sense, and what happened."""
    response = error.response
    said = " ".join((response.body or b"").decode(errors="replace").split())[:200]
    match response.status_code:
        case 503 | 429:
            wait_s = read_retry_after(error) or RETRY_S
            return min(wait_s, MAX_RETRY_S), said.rstrip(".") or "the server lets nobody in now"
        case 401 | 403:
            return None, f"the server wants another token (--token, ASR_TOKEN). {said}"
        case status:
            return None, f"HTTP {status}: is this a FunASR WebSocket server? {said}"


def _explain(error: Exception, server: ServerAddress) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message} (--ca, --insecure)"
    if isinstance(error, ssl.SSLError | InvalidMessage | EOFError):
        other = "ws://" if server.url.startswith("wss:") else "wss://"
        return f"no answer that makes sense; perhaps it is {other}? ({error})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"no such host: {error.strerror}"
    if isinstance(error, OSError) and error.errno:
        return f"cannot connect: {os.strerror(error.errno)}"
    return f"cannot connect: {error}"
