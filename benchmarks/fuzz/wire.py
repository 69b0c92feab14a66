"""Hostile clients over real sockets, beside others that must get exactly their words."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from asr_server.bench import corpus, speech
from benchmarks.fuzz.grammar import Speaker
from benchmarks.serving import Server

HOSTILE, GOOD = 8, 3
FLAGS = (
    *("--threads=1", "--max-utterance=20", "--audio-buffer-mb=64", "--idle-timeout=60"),
    *("--max-message-bytes=1000000", "--decoders=4"),
)
ANSWER_S = 300.0  # dozens of files in one session, each a start of ffmpeg, on a busy machine
REPORT_S = 5.0
SETTLE_S = 20.0
LAST = {"mode": "offline", "wav_format": "pcm", "audio_fs": 16000, "wav_name": "last"}
END = {"is_speaking": False, "is_end": True}
ALLOWED = {1000, 1007, 1008, 1009, 1013}  # what the server may close a hostile client with
GET = b"GET / HTTP/1.1\r\n"
HTTP = [b"", GET, GET + b"Host: x\r\nUpgrade: websocket\r\n\r\n", b"\x16\x03\x01\x02\x00",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nx" * 3]  # fmt: skip


class Attack:
    """One run against one server."""

    def __init__(self, server: Server, seed: str, wanted: int) -> None:
        self.counts: Counter[str] = Counter()
        self.findings: list[dict[str, Any]] = []
        self._server = server
        self._seed, self._wanted = seed, wanted
        self._session = 0
        self._phrases = corpus.load_phrases()
        self._references: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Learn the right words, then attack until all messages are sent."""
        for mode in ("offline", "2pass"):
            for phrase in self._phrases[:GOOD]:
                self._references[mode, phrase.text] = await self._recognize(mode, phrase)
        tasks = [asyncio.create_task(self._report())]
        tasks += [asyncio.create_task(self._mean_well(number)) for number in range(GOOD)]
        await asyncio.gather(*(self._attack() for _ in range(HOSTILE)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            good, found = self.counts["good"], len(self.findings)
            sent = f"{self.counts['messages']:,} of {self._wanted:,} messages"
            print(f"{sent}; {good} good sessions; {found} findings", flush=True)

    async def _mean_well(self, number: int) -> None:
        phrase = self._phrases[number]
        while True:
            mode = ("offline", "2pass")[self.counts["good"] % 2]
            try:
                text = await self._recognize(mode, phrase)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                self._find(f"a good client in mode {mode} was failed: {error!r}")
            else:
                self.counts["good"] += 1
                if text != self._references[mode, phrase.text]:
                    self._find(f"a good client in mode {mode} got {text!r}")
            await asyncio.sleep(0.05)

    async def _recognize(self, mode: str, phrase: speech.Phrase) -> str:
        async with asyncio.timeout(ANSWER_S), self._connect() as socket:
            await socket.send(json.dumps({"mode": mode, "wav_name": phrase.text}))
            for start in range(0, len(phrase.pcm), 9600):
                await socket.send(phrase.pcm[start : start + 9600])
            await socket.send(json.dumps(END))
            text = ""
            while "is_end" not in (answer := json.loads(await socket.recv())):
                assert answer["wav_name"] == phrase.text
                text += answer["text"] if answer["mode"].endswith("offline") else ""
            return text

    async def _attack(self) -> None:
        while self.counts["messages"] < self._wanted and len(self.findings) < 20:
            self._session += 1
            number = self._session
            draw = random.Random(f"manner {self._seed}-{number}")
            try:
                async with asyncio.timeout(ANSWER_S):
                    if draw.random() < 0.1:
                        await self._break_handshake(draw)
                    else:
                        await self._talk(number, draw.choice(["polite"] * 3 + ["rude", "deaf"]))
            except TimeoutError:
                self._find("no answer to a polite end", number)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
                self._find(repr(error), number)

    async def _talk(self, number: int, manner: str) -> None:
        self.counts[manner] += 1
        async with self._connect() as socket:
            reader = None if manner == "deaf" else asyncio.create_task(self._read(socket))
            with contextlib.suppress(ConnectionClosed):
                for message in Speaker(f"{self._seed}-{number}").talk():
                    self.counts["messages"] += 1
                    await socket.send(message)
                if manner == "polite":
                    await socket.send(json.dumps(LAST | {"is_speaking": True}))
                    await socket.send(json.dumps(LAST | END))
            if manner != "polite":
                socket.transport.abort()
            if reader is not None:
                answered = await reader
                code = socket.close_code
                if manner == "polite" and not answered and code not in ALLOWED:
                    self._find(
                        f"a polite client was closed with {code} {socket.close_reason}", number
                    )
                self.counts[f"closed_{code}"] += code is not None

    async def _read(self, socket: ClientConnection) -> bool:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                answer = json.loads(message)
                assert type(answer["text"]) is type(answer["wav_name"]) is str, answer
                assert type(answer["is_final"]) is bool, answer
                self.counts["replies"] += 1
                if "is_end" in answer and answer["wav_name"] == "last":
                    return True
        return False

    async def _break_handshake(self, draw: random.Random) -> None:
        self.counts["broken_handshakes"] += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        with contextlib.suppress(ConnectionError):
            writer.write(draw.choice(HTTP) + draw.randbytes(draw.choice([0, 1, 50, 3000])))
            await writer.drain()
            if draw.random() < 0.5:
                writer.transport.abort()
                return
            writer.write_eof()
            await reader.read(1000)
        writer.close()

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[ClientConnection]:
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "proxy": None}
        async with connect(self._server.url, **options, close_timeout=1) as socket:
            yield socket

    def _find(self, what: str, session: int | None = None) -> None:
        self.findings.append({"session": session, "what": what})
        print(f"FINDING in session {session}: {what}", flush=True)


async def attack(seed: str, wanted: int) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Send `wanted` hostile messages to a server of our own; return counts and findings."""
    server = Server(*FLAGS)
    await asyncio.to_thread(server.__enter__)
    try:
        attack = Attack(server, seed, wanted)
        before_mb = server.resident_mb()
        await attack.run()
        problems = await asyncio.to_thread(server.settle, SETTLE_S)
        attack.findings += [{"session": None, "what": what} for what in problems]
        attack.counts["front_mb_before"] = before_mb
        attack.counts["front_mb_after"] = server.resident_mb()
        return attack.counts, attack.findings
    finally:
        await asyncio.to_thread(server.__exit__)
