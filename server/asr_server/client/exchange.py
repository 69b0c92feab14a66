"""One input over one connection: sends and reads side by side until the server has answered."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from asr_server.client.inputs import UnreadableError
from asr_server.client.transcript import Transcript
from asr_server.speech.hotwords import Hotword
from asr_server.speech.replies import parse_reply

QUIET_S = 2.0  # servers that know no acknowledgement have said all after so long
END = json.dumps({"is_speaking": False, "is_end": True})
_CLOSED = {
    CloseCode.SERVICE_RESTART: "the server restarts",
    CloseCode.TRY_AGAIN_LATER: "the server has no room now",
    CloseCode.GOING_AWAY: "the server shuts down",
}


class CutError(Exception):
    """The connection ended before the answer; the text says how. Trying again may help."""


class NoAnswerError(Exception):
    """The server does not answer, or says nothing that makes sense."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the server is told of an input before its audio."""

    mode: str
    name: str
    wav_format: str
    sample_rate_hz: int
    hotwords: tuple[Hotword, ...]

    def render(self) -> str:
        """Render the first message, with what every FunASR server wants in it."""
        words = {hotword.word: hotword.weight for hotword in self.hotwords}
        return json.dumps(
            {
                "mode": self.mode,
                "wav_name": self.name,
                "wav_format": self.wav_format,
                "audio_fs": self.sample_rate_hz,
                "is_speaking": True,
                "chunk_size": [5, 10, 5],
                "chunk_interval": 10,
                "itn": True,
                "hotwords": json.dumps(words, ensure_ascii=False) if words else "",
            },
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told what comes in."""

    partial: Callable[[str], None]
    certain: Callable[[str], None]


async def recognize(
    socket: ClientConnection,
    about: Announcement,
    pieces: AsyncGenerator[bytes, None],
    watcher: Watcher,
    answer_s: float,
) -> Transcript:
    """Send an input and return its transcript.

    Raises CutError, NoAnswerError, and UnreadableError of the input.
    """
    found = Transcript(about.mode)
    sender = asyncio.create_task(_send(socket, about, pieces, found))
    try:
        while not found.acknowledged:
            message = await _receive(socket, found, sender, answer_s)
            if message is None:
                break
            _take(found, message, watcher)
    except ConnectionClosed:
        if found.answered and sender.done():
            return found
        raise CutError(_explain_close(socket)) from None
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed, UnreadableError):
            await sender
    return found


async def _send(
    socket: ClientConnection,
    about: Announcement,
    pieces: AsyncGenerator[bytes, None],
    found: Transcript,
) -> None:
    await socket.send(about.render())
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if found.problem is not None:
                break  # the server has refused the input: the rest would be dropped
            await socket.send(piece)
    await socket.send(END)


async def _receive(
    socket: ClientConnection, found: Transcript, sender: asyncio.Task[None], answer_s: float
) -> str | bytes | None:
    """Return the next message, or None when all is said. Raises as `recognize`."""
    while True:
        if sent := sender.done():
            sender.result()  # an input that cannot be read
        wait_s = (
            QUIET_S if sent and found.answered else min(answer_s, QUIET_S if not sent else answer_s)
        )
        try:
            async with asyncio.timeout(wait_s):
                return await socket.recv()
        except TimeoutError:
            if not sent:
                continue
            if found.answered:
                return None
            raise NoAnswerError(f"no answer for {answer_s:g} s") from None


def _take(found: Transcript, message: str | bytes, watcher: Watcher) -> None:
    try:
        reply = parse_reply(message)
    except ValueError as error:
        raise NoAnswerError(str(error)) from None
    certain = found.take(reply)
    if certain is not None:
        watcher.certain(certain)
    watcher.partial(found.partial)


def _explain_close(socket: ClientConnection) -> str:
    code = socket.close_code
    known = _CLOSED.get(CloseCode(code)) if code in set(CloseCode) else None
    said = f": {socket.close_reason}" if socket.close_reason else ""
    return f"{known or 'the connection was cut'} (code {code}{said})"
