"""Messages over a socket pair: a 4-byte big-endian length, then one message in MessagePack.

The front's side is asyncio, the engine's side blocks. The end of the stream is `None`; anything
that is not a whole, known message raises `ChannelError`, after which the channel is of no use.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterable
from typing import Self, TypeVar

import msgspec

from asr_server.link import messages

MAX_FRAME_BYTES = 64 * 1024 * 1024  # hundreds of hours of tokens: only a broken peer exceeds it
_LENGTH_BYTES = 4

M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()
_to_engine: msgspec.msgpack.Decoder[messages.ToEngine] = msgspec.msgpack.Decoder(messages.ToEngine)
_to_front: msgspec.msgpack.Decoder[messages.ToFront] = msgspec.msgpack.Decoder(messages.ToFront)


class ChannelError(Exception):
    """The peer sent something that is not a message; the text says what."""


class FrontChannel:
    """The front's end, on asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> Self:
        """Take over one end of a socket pair."""
        return cls(*await asyncio.open_connection(sock=sock))

    def send(self, message: messages.ToEngine) -> None:
        """Write a message without waiting; to a dead engine it is lost, and `receive` tells."""
        self._writer.write(_frame(message))

    def send_all(self, batch: Iterable[messages.ToEngine]) -> None:
        """Write messages in one go, as `send` does."""
        self._writer.write(b"".join(map(_frame, batch)))

    async def receive(self) -> messages.ToFront | None:
        """Return the next message, or None when the engine is gone. Raises `ChannelError`."""
        try:
            length = _parse_length(await self._reader.readexactly(_LENGTH_BYTES))
            payload = await self._reader.readexactly(length)
        except ConnectionError:  # a killed process that had not read everything resets the pair
            return None
        except asyncio.IncompleteReadError:  # the end, or death in the middle of a message
            return None
        return _parse(payload, _to_front)

    def abort(self) -> None:
        """Drop what waits to be sent: `receive` soon returns None, and the engine sees the end."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the channel, which ends the engine; one that reads no more is not waited for."""
        self.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class EngineChannel:
    """The engine's end: one thread may receive while others send."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb")
        self._sending = threading.Lock()

    def send(self, batch: Iterable[messages.ToFront]) -> None:
        """Write messages in one go. Raises `ConnectionError` when the front is gone."""
        frames = b"".join(map(_frame, batch))
        with self._sending:
            self._sock.sendall(frames)

    def receive(self) -> messages.ToEngine | None:
        """Block for the next message; None when the front is gone. Raises `ChannelError`."""
        try:
            header = self._stream.read(_LENGTH_BYTES)
            if len(header) < _LENGTH_BYTES:
                return None
            length = _parse_length(header)
            payload = self._stream.read(length)
        except ConnectionError:
            return None
        return None if len(payload) < length else _parse(payload, _to_engine)

    def close(self) -> None:
        """Close the channel; the front sees the end of the stream."""
        self._stream.close()
        self._sock.close()


def _frame(message: messages.Message) -> bytes:
    payload = _encoder.encode(message)
    if len(payload) > MAX_FRAME_BYTES:
        raise ChannelError(_oversized(len(payload)))
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def _parse_length(header: bytes) -> int:
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise ChannelError(_oversized(length))
    return length


def _parse(payload: bytes, decoder: msgspec.msgpack.Decoder[M]) -> M:
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise ChannelError(f"a frame of {len(payload)} bytes is no message: {error}") from error


def _oversized(length: int) -> str:
    return f"a frame of {length} bytes is longer than the {MAX_FRAME_BYTES} allowed"
