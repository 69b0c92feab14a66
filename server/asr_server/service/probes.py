"""A small HTTP server for the kubelet and for Prometheus: /livez, /readyz, /metrics.

It answers GET with a path and nothing else, one request per connection, within bounds of size and
time, so that it needs no HTTP library. It is never in the public Service.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

HEAD_BYTES = 16 * 1024
REQUEST_S = 5.0
CONNECTIONS = 32

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a GET."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT


class ProbeServer:
    """Serves pages that are made anew for each request."""

    def __init__(self, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._pages = pages
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port. Raises OSError."""
        self._server = await asyncio.start_server(self._handle, host, port, limit=HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                async with asyncio.timeout(REQUEST_S):
                    writer.write(_render(await self._answer(reader)))
                    await writer.drain()
        except (TimeoutError, ConnectionError):
            writer.transport.abort()  # whoever asked has left, never really asked, or reads nothing
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._open -= 1

    async def _answer(self, reader: asyncio.StreamReader) -> Page:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except asyncio.IncompleteReadError:
            return _error(HTTPStatus.BAD_REQUEST)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _error(HTTPStatus.BAD_REQUEST)
        if words[0] != "GET":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED)
        page = self._pages.get(words[1].partition("?")[0])
        return _error(HTTPStatus.NOT_FOUND) if page is None else page()


def _error(status: HTTPStatus) -> Page:
    return Page(f"{status.phrase}\n".encode(), status)


def _render(page: Page) -> bytes:
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n"
        f"Content-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + page.body
