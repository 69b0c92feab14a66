"""Speak for hours in one 2pass session: python -m benchmarks.endurance --hours 2 --pace 20

A server is started for it. `--pace 1` speaks as people do; a higher one sends that much faster, as
a server allows that is fast enough. Each utterance says what no other says. Written down are the
latencies (last sample due to final received, the VAD's end silence included) of the first and the
last quarter, and what front and engine hold in memory.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from pathlib import Path

import websockets

from asr_server.bench import corpus, speech
from benchmarks.endurance.account import Account, Memory, Said

FRAME_BYTES, FRAME_S = 1920, 0.06  # as FunASR's Python client cuts audio
GAP_S = 1.5
AHEAD_S = 20.0  # of the newest final: the server refuses who is too far ahead
SAMPLE_EVERY_S = 5.0
ABOUT = {
    "mode": "2pass", "chunk_size": [5, 10, 5], "chunk_interval": 10, "wav_format": "pcm",
    "wav_name": "endurance", "audio_fs": speech.RATE_HZ, "is_speaking": True,
}  # fmt: skip


class Talk:
    """One session, and what it was answered."""

    def __init__(self, connection: websockets.ClientConnection, hours: float, pace: float) -> None:
        self._connection = connection
        self._length_s, self._pace = hours * 3600, pace
        self._began = time.monotonic()
        self._sent_bytes = 0
        self._news = asyncio.Event()
        self._answered = 0
        self.account = Account()

    @property
    def sent_s(self) -> float:
        """Seconds of audio sent."""
        return self._sent_bytes / speech.BYTES_PER_S

    async def speak(self, speaker: speech.Speaker) -> None:
        """Say one utterance after the other, for as long as was wanted."""
        await self._connection.send(json.dumps(ABOUT))
        gap = bytes(int(GAP_S * speech.BYTES_PER_S))
        while self.sent_s < self._length_s:
            utterance = speaker.next()
            pcm = utterance.pcm
            start_ms, duration_ms = round(1000 * self.sent_s), len(pcm) * 1000 // speech.BYTES_PER_S
            due_at = self._began + (start_ms + duration_ms) / 1000 / self._pace
            self.account.say(Said(utterance.text, start_ms, start_ms + duration_ms, due_at))
            await self._send(pcm)
            await self._send(gap)
            while len(self.account.said) - self._answered > AHEAD_S / utterance.duration_s:
                self._news.clear()
                await asyncio.wait_for(self._news.wait(), 60)
        await self._connection.send(json.dumps({"is_speaking": False, "is_end": True}))

    async def listen(self) -> dict[str, object]:
        """Take all that comes; return the acknowledgement of the end."""
        async for message in self._connection:
            found = json.loads(message)
            if "error" in found:
                raise SystemExit(f"the server says: {found['error']}")
            if found.get("is_end"):
                return dict(found)
            if found["mode"] == "2pass-offline" and "start_time" in found:
                self._hear(found)
        raise SystemExit(f"the server closed the session: {self._connection.close_reason}")

    def _hear(self, found: dict[str, object]) -> None:
        start_ms, end_ms = int(str(found["start_time"])), int(str(found["end_time"]))
        self.account.hear(str(found["text"]), start_ms, end_ms, time.monotonic())
        self._answered += 1
        self._news.set()

    async def _send(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[start : start + FRAME_BYTES]
            self._sent_bytes += len(frame)
            await asyncio.sleep(self._began + self.sent_s / self._pace - time.monotonic())
            await self._connection.send(frame)


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Start a server, talk to it, and return what was found."""
    port, probe_port = free_port(), free_port()
    flags = ("--host", "127.0.0.1", "--port", str(port), "--probe-port", str(probe_port))
    command = (sys.executable, "-m", "asr_server", *flags, "--log-level", "warning")
    server = await asyncio.create_subprocess_exec(*command)
    try:
        connection = await connect(f"ws://127.0.0.1:{port}")
        talk = Talk(connection, options.hours, options.pace)
        memory: list[Memory] = []
        watch = asyncio.create_task(watch_memory(server.pid, memory, talk))
        listening = asyncio.create_task(talk.listen())
        speaking = asyncio.create_task(talk.speak(speech.Speaker(corpus.load_phrases(), 1)))
        await asyncio.gather(listening, speaking)
        watch.cancel()
        acknowledged = listening.result()
        await connection.close()
    finally:
        server.terminate()
        await server.wait()
    return {
        "hours": options.hours,
        "pace": options.pace,
        "received_ms": acknowledged["received_ms"],
        "processed_ms": acknowledged["processed_ms"],
        **talk.account.summarize(memory),
    }


async def connect(url: str) -> websockets.ClientConnection:
    """Connect as soon as the server takes sessions."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with contextlib.suppress(OSError, websockets.InvalidHandshake):
            return await websockets.connect(url, compression=None, ping_interval=None)
        await asyncio.sleep(0.2)
    raise SystemExit("the server did not become ready within 120 s")


async def watch_memory(pid: int, found: list[Memory], talk: Talk) -> None:
    """Write down what the server holds, every few seconds, and say how far the session is."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_EVERY_S)
        at = time.monotonic() - began
        found.append(Memory(at, resident_bytes(pid)))
        account = talk.account
        print(
            f"\r{talk.sent_s / 60:6.1f} min spoken, {len(account.said)} utterances, "
            f"{found[-1].resident_bytes / 1e6:.0f} MB",
            end="",
            file=sys.stderr,
        )


def resident_bytes(pid: int) -> int:
    """Return what a process and its children hold: own pages of all, shared ones once."""
    processes = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        processes += [int(child) for child in (task / "children").read_text().split()]
    held = [_read_status(each) for each in processes]
    return sum(each["RssAnon"] for each in held) + max(each["RssShmem"] for each in held)


def _read_status(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.startswith("Rss"))
    return {name: 1024 * int(value.split()[0]) for name, value in pairs}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hours", type=float, default=1.0, help="length of the session's audio")
    parser.add_argument("--pace", type=float, default=1.0, help="times faster than speech")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    text = json.dumps(found, indent=1)
    print("\n" + text)
    if options.write:
        options.write.write_text(text + "\n")


if __name__ == "__main__":
    main()
