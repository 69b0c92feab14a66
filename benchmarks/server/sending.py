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
    """How long it took, and what was heard."""

    took_s: float
    heard: dict[str, str]


def send_talks(url: str, talks: Sequence[Talk], at_a_time: int) -> Sent:
    """Send all talks; `took_s` counts from the first connection to the last answer."""
    began = time.monotonic()
    heard = asyncio.run(_send_all(url, talks, at_a_time))
    return Sent(time.monotonic() - began, heard)


async def _send_all(url: str, talks: Sequence[Talk], at_a_time: int) -> dict[str, str]:
    gate = asyncio.Semaphore(at_a_time)
    texts = await asyncio.gather(*(_send(url, talk, gate) for talk in talks))
    return {talk.name: text for talk, text in zip(talks, texts, strict=True)}


async def _send(url: str, talk: Talk, gate: asyncio.Semaphore) -> str:
    async with gate:
        socket = await connect_once(ServerAddress(url), direct=True)
        await socket.send(render_begin(talk.name))
        pcm = talk.audio.tobytes()
        for start in range(0, len(pcm), PIECE_BYTES):
            await socket.send(pcm[start : start + PIECE_BYTES])
        await socket.send(END)
        async with asyncio.timeout(300):
            reply = parse_reply(await socket.recv())
        await socket.close()
    return reply.text
