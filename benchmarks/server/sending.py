"""Sends files to a FunASR WebSocket server, many at a time and as fast as it takes them."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from asr_server.bench.session import render_begin
from asr_server.bench.speech import BYTES_PER_S
from asr_server.client.arguments import ServerAddress
from asr_server.client.connecting import connect_once
from asr_server.speech.replies import ServerReply, parse_reply
from benchmarks.server.talks import Talk

PIECE_BYTES = BYTES_PER_S * 6 // 10
PATIENCE_S, RETRY_S, ANSWER_S = 60.0, 0.3, 300.0
END = json.dumps({"is_speaking": False})
ACKNOWLEDGED_END = json.dumps({"is_speaking": False, "is_end": True})


@dataclass(frozen=True, slots=True)
class Sent:
    """How long it took, what was heard or went wrong, and in how many answers."""

    took_s: float
    heard: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)


def send_talks(
    url: str, talks: Sequence[Talk], at_a_time: int, *, to_the_end: bool = False
) -> Sent:
    """Send all talks; `took_s` counts from the first connection to the last answer.

    `to_the_end`: count answers until the end is acknowledged, as not every server does, and what
    is never answered. Otherwise the first answer is enough, and TimeoutError is raised for none.
    """
    began = time.monotonic()
    answers = asyncio.run(_send_all(url, talks, at_a_time, to_the_end=to_the_end))
    return Sent(
        time.monotonic() - began,
        heard={talk.name: answer.text for talk, answer in answers},
        errors={talk.name: answer.error for talk, answer in answers if answer.error},
        answers={talk.name: answer.count for talk, answer in answers},
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    error: str | None
    count: int


async def _send_all(
    url: str, talks: Sequence[Talk], at_a_time: int, *, to_the_end: bool
) -> list[tuple[Talk, _Answer]]:
    gate = asyncio.Semaphore(at_a_time)
    sending = (_send(url, talk, gate, to_the_end=to_the_end) for talk in talks)
    answers = await asyncio.gather(*sending)
    return list(zip(talks, answers, strict=True))


async def _knock(url: str) -> ClientConnection:
    """Connect; a server that refuses for a while is asked again. Raises InvalidHandshake."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await connect_once(ServerAddress(url), direct=True)
        except InvalidHandshake:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(RETRY_S)


async def _send(url: str, talk: Talk, gate: asyncio.Semaphore, *, to_the_end: bool) -> _Answer:
    async with gate:
        socket = await _knock(url)
        await socket.send(render_begin(talk.name))
        pcm = talk.audio.tobytes()
        for start in range(0, len(pcm), PIECE_BYTES):
            await socket.send(pcm[start : start + PIECE_BYTES])
        await socket.send(ACKNOWLEDGED_END if to_the_end else END)
        replies = await (_hear_to_the_end if to_the_end else _hear_one)(socket)
        await socket.close()
    if not replies:
        return _Answer("", "no answer", 0)
    return _Answer(replies[0].text, replies[0].error, len(replies))


async def _hear_one(socket: ClientConnection) -> list[ServerReply]:
    async with asyncio.timeout(ANSWER_S):
        return [parse_reply(await socket.recv())]


async def _hear_to_the_end(socket: ClientConnection) -> list[ServerReply]:
    finals = []
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(ANSWER_S):
            while not (reply := parse_reply(await socket.recv())).acknowledges:
                finals += [reply] if reply.final else []
    return finals
