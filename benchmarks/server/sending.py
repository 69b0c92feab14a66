"""Sends files to a FunASR WebSocket server, many at a time and as fast as it takes them."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from asr_server.bench.session import render_begin
from asr_server.bench.speech import BYTES_PER_S
from asr_server.client.arguments import ServerAddress
from asr_server.client.connecting import connect_once
from asr_server.speech.replies import parse_reply
from benchmarks.server.talks import Talk

PIECE_BYTES = BYTES_PER_S * 6 // 10
END = json.dumps({"is_speaking": False})


@dataclass(frozen=True, slots=True)
class Sent:
    """How long it took, what was heard or went wrong, in how many answers, and after how long."""

    took_s: float
    heard: dict[str, str]
    errors: dict[str, str]
    answers: dict[str, int]
    waited_s: dict[str, float]


def send_talks(url: str, talks: Sequence[Talk], at_a_time: int) -> Sent:
    """Send all talks; `took_s` counts from the first connection to the last answer."""
    began = time.monotonic()
    answers = asyncio.run(_send_all(url, talks, at_a_time))
    return Sent(
        time.monotonic() - began,
        heard={talk.name: answer.text for talk, answer in answers},
        errors={talk.name: answer.error for talk, answer in answers if answer.error},
        answers={talk.name: answer.count for talk, answer in answers},
        waited_s={talk.name: answer.waited_s for talk, answer in answers},
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    error: str | None
    count: int
    waited_s: float


async def _send_all(url: str, talks: Sequence[Talk], at_a_time: int) -> list[tuple[Talk, _Answer]]:
    gate = asyncio.Semaphore(at_a_time)
    answers = await asyncio.gather(*(_send(url, talk, gate) for talk in talks))
    return list(zip(talks, answers, strict=True))


async def _send(url: str, talk: Talk, gate: asyncio.Semaphore) -> _Answer:
    async with gate:
        began = time.monotonic()
        socket = await connect_once(ServerAddress(url), direct=True)
        await socket.send(render_begin(talk.name))
        pcm = talk.audio.tobytes()
        for start in range(0, len(pcm), PIECE_BYTES):
            await socket.send(pcm[start : start + PIECE_BYTES])
        await socket.send(END)
        async with asyncio.timeout(300):
            reply = parse_reply(await socket.recv())
        waited_s = time.monotonic() - began
        await socket.close()
        more = [message async for message in socket]  # what came until it was closed
    return _Answer(reply.text, reply.error, 1 + len(more), waited_s)
