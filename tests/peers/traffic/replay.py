"""Send a recording to a server as its client did, and stop when that client would stop."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.client import ClientConnection

from traffic.recording import Frame, Recording

Message = dict[str, object]

# When a client takes the answer as complete, by the names that recordings use: a function of the
# messages that it has, and of the number of ends that it sent.
STOPS: Mapping[str, Callable[[Sequence[Message], int], bool]] = {
    "acknowledged": lambda heard, ends: sum(bool(m.get("is_end")) for m in heard) == ends,
    "mode offline": lambda heard, ends: any(m["mode"] == "offline" for m in heard),
    "is_final": lambda heard, ends: any(m["is_final"] is True for m in heard),
    "a message for each end": lambda heard, ends: len(heard) == ends,
}
PATIENCE_S = 60.0
LONGEST_PAUSE_S = 2.0  # a client that loads its libraries before it speaks is not waited for
_FIRST_PASS = ("online", "2pass-online")


@dataclass
class Heard:
    """What a client has when it stops."""

    subprotocol: str | None = None
    messages: list[Message] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What the client shows in the end: the second pass where there is one."""
        second = "".join(str(m["text"]) for m in self.messages if m["mode"] not in _FIRST_PASS)
        return second or self.partials

    @property
    def partials(self) -> str:
        """The text of the first pass."""
        return "".join(str(m["text"]) for m in self.messages if m["mode"] in _FIRST_PASS)


def is_end(frame: Frame) -> bool:
    """Whether a frame ends an input."""
    return frame.text is not None and json.loads(frame.text).get("is_speaking") is False


async def replay(recording: Recording, data: bytes, url: str) -> Heard:
    """Replay a recording whose speech is `data`.

    Raises TimeoutError if the answer is never complete. How long a client waits for it before it
    hangs up is known (`within_s`), but not asked of a machine that has other work to do.
    """
    headers = recording.headers
    offered = headers.get("Sec-WebSocket-Protocol")
    async with websockets.connect(
        url + headers["path"],
        subprotocols=[websockets.Subprotocol(offered)] if offered else None,
        compression="deflate" if "Sec-WebSocket-Extensions" in headers else None,
        origin=websockets.Origin(headers["Origin"]) if "Origin" in headers else None,
        user_agent_header=headers.get("User-Agent"),
        ping_interval=None,
    ) as connection:
        replayed = _Replayed(connection, recording, data)
        await replayed.run()
        await connection.close(recording.close_code or 1000)
    return replayed.heard


class _Replayed:
    """One replay that is going on."""

    def __init__(self, connection: ClientConnection, recording: Recording, data: bytes) -> None:
        self._connection = connection
        self._recording = recording
        self._data = data
        self._news = asyncio.Event()
        self.heard = Heard(connection.subprotocol)

    async def run(self) -> None:
        client, frames = self._recording.client, self._recording.frames
        ends = sum(map(is_end, frames))
        reading = asyncio.create_task(self._read())
        try:
            await self._send(frames)
            complete = STOPS[client.stop]
            await self._until(lambda: complete(self.heard.messages, ends))
        finally:
            reading.cancel()

    async def _read(self) -> None:
        async for text in self._connection:
            self.heard.messages.append(json.loads(text))
            self._news.set()

    async def _send(self, frames: Sequence[Frame]) -> None:
        due, last_s, ends, ended = time.monotonic(), 0.0, 0, False
        message: list[str | bytes] = []
        for frame in frames:
            due, last_s = due + min(frame.at_s - last_s, LONGEST_PAUSE_S), frame.at_s
            if ended:  # the client begins another input when every end so far was answered
                await self._until(lambda wanted=ends: len(self.heard.messages) >= wanted)
            else:
                await asyncio.sleep(due - time.monotonic())
            ended = is_end(frame)
            ends += ended
            message.append(self._content(frame))
            if frame.fin:
                await self._connection.send(message[0] if len(message) == 1 else message)
                message = []

    def _content(self, frame: Frame) -> str | bytes:
        if frame.audio is None:
            return frame.text or ""
        start, stop = frame.audio
        return self._data[start:stop].ljust(stop - start, b"\0")

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()
