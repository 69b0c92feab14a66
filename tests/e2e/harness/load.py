"""Sessions under load: a crowd that comes and goes as planned, and single ones held half-way.

What they say, how they are accounted for and what they do when they are refused is told in
`asr_server.bench`: no utterance is said twice, and each must be heard once.
"""

import asyncio
import contextlib
import json
import operator
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import websockets
from websockets.asyncio.client import connect
from websockets.sync import client

from asr_server.bench import corpus, ledger, session, speech
from asr_server.bench.arrivals import SessionPlan, Turn
from asr_server.client.arguments import ServerAddress
from harness import asr, waiting

ANSWER_S = 60
THINK_S = 0.3
PHRASES = corpus.load_phrases()


def new_speaker() -> speech.Speaker:
    return speech.Speaker(PHRASES, seed=random.getrandbits(32))


class Crowd:
    """People who come one after the other, `every_s`, whatever the server does, and say `turns`.

    They live in a thread of their own, from the beginning of the context until `leave`.
    """

    def __init__(self, url: str, *, every_s: float, turns: int) -> None:
        self.ledger = ledger.Ledger()
        self._every_s, self._turns = every_s, turns
        self._speaker = new_speaker()
        self._began = time.monotonic()
        self._around = session.Surroundings(
            ServerAddress(url), self.ledger, self._clock, lambda late_s: None
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._come()))

    def __enter__(self) -> "Crowd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> ledger.Account:
        """Let nobody else come, wait until all have said what they had to, and add up."""
        self._over.set()
        self._thread.join()
        return self.ledger.settle()

    async def _come(self) -> None:
        async with asyncio.TaskGroup() as sessions:
            while not self._over.is_set():
                turns = (Turn(THINK_S, self._speaker.next()) for _ in range(self._turns))
                plan = SessionPlan(self._clock(), tuple(turns))
                sessions.create_task(session.Session(plan, self._around).run())
                await asyncio.sleep(self._every_s)

    def _clock(self) -> float:
        return time.monotonic() - self._began


class Held:
    """A session that says half of an utterance, and the other half when it is told to."""

    def __init__(self, socket: Any, utterance: speech.Utterance) -> None:
        self._socket = socket
        self._pcm = utterance.pcm
        self.said = speech.words(utterance.text)
        self._name = utterance.name

    @classmethod
    async def open(cls, url: str, utterance: speech.Utterance) -> "Held":
        return cls(await connect(url, compression=None, proxy=None), utterance)

    async def begin(self) -> None:
        """Say the first half."""
        await self._socket.send(session.render_begin(self._name))
        for chunk in self._chunks(0, len(self._pcm) // 2):
            await self._socket.send(chunk)

    async def finish(self) -> str:
        """Say the second half, close the session, and return the words that were heard."""
        for chunk in self._chunks(len(self._pcm) // 2, len(self._pcm)):
            await self._socket.send(chunk)
        await self._socket.send(session.END)
        async with asyncio.timeout(ANSWER_S):
            heard = json.loads(await self._socket.recv())["text"]
        await self.close()
        return speech.words(heard)

    async def wait_end(self) -> tuple[list[str], int, str]:
        """Wait until the server closes; return the texts that came, the code and the reason."""
        texts = [json.loads(message)["text"] async for message in self._socket]
        return texts, self._socket.close_code, self._socket.close_reason

    async def close(self) -> None:
        await self._socket.close()

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        end -= end % 2
        for begin in range(start - start % 2, end, session.CHUNK_BYTES):
            yield self._pcm[begin : min(begin + session.CHUNK_BYTES, end)]


@contextlib.contextmanager
def silent_sessions(url: str, count: int) -> Iterator[None]:
    """Have so many sessions open that begin an utterance and say nothing."""
    with contextlib.ExitStack() as sessions:
        for _ in range(count):
            opened = waiting.wait_for("open session", lambda: knock(url))
            sessions.enter_context(opened).send(session.render_begin("silence"))
        yield


def knock(url: str) -> Any:
    """Return a session, None if nobody opens."""
    with contextlib.suppress(OSError, websockets.InvalidHandshake):
        return client.connect(url, compression=None, proxy=None)
    return None


async def hold_sessions(service: asr.Service, *wanted: int) -> dict[str, list[Held]]:
    """Open sessions that say half of something, so many on each pod; return them by pod.

    Which pod gets how many is left to the Service; a session that fits on none is closed.
    """
    speaker = new_speaker()
    held: dict[str, list[Held]] = {pod: [] for pod in count_sessions(service)}
    while (total := sum(map(len, held.values()))) < sum(wanted):
        before = await asyncio.to_thread(wait_sessions, service, total)
        opened = await Held.open(service.url, speaker.next())
        after = await asyncio.to_thread(wait_sessions, service, total + 1)
        (pod,) = (pod for pod in after if after[pod] > before[pod])
        held[pod].append(opened)
        if any(map(operator.gt, sorted(map(len, held.values())), sorted(wanted))):
            await held[pod].pop().close()
    await asyncio.gather(*(each.begin() for sessions in held.values() for each in sessions))
    return held


def count_sessions(service: asr.Service) -> dict[str, float]:
    """Return how many sessions are open on each pod."""
    return {pod: sum(found.values("asr_sessions")) for pod, found in service.metrics().items()}


def wait_sessions(service: asr.Service, total: int) -> dict[str, float]:
    """Wait until so many sessions are open; return how many on each pod."""
    return waiting.wait_for(
        f"{total} open sessions",
        lambda: count_sessions(service),
        lambda found: sum(found.values()) == total,
    )
