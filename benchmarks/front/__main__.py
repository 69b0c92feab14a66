"""Measure what the front costs per session, beside a socket that is only read.

    python -m benchmarks.front [--sessions 200] [--idle 2000] [--short 10000] [--repeats 3]

CPU: live sessions send 10 messages a second of 0.1 s; the bare server and the front take turns.
Memory: what each idle session adds, and what the process has after many short sessions. The engine
is a process that only settles audio, so that nothing but the front is measured.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

RATE_PER_S = 10
CHUNK = bytes(3200)
IDLE_MESSAGES_PER_S = 1500
WARM_UP_S, MEASURED_S = 2.0, 6.0
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BEGIN = {"mode": "2pass", "wav_name": "x", "chunk_size": [5, 10, 5], "is_speaking": True}
END = {"is_speaking": False}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def frame(payload: bytes, opcode: int) -> bytes:
    """Return a masked frame; the mask is zero, which costs the server as much as any other."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


TEXT_BEGIN, TEXT_END = (frame(json.dumps(each).encode(), 1) for each in (BEGIN, END))
AUDIO = frame(CHUNK, 2)
IDLE = {
    "that has only connected": [],
    "in the middle of a live input": [TEXT_BEGIN, *[AUDIO] * 25],
    "after a live input": [TEXT_BEGIN, *[AUDIO] * 25, TEXT_END],
}


class Served:
    """The process that is measured."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._pid = process.pid
        self.port = port

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        stat = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS_PER_S

    def resident_kib(self) -> int:
        """Return the memory that it has."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


@asynccontextmanager
async def serving(kind: str) -> AsyncIterator[Served]:
    """Run the process as long as the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.front.served", kind), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Served(process, int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(port: int) -> Peer:
    """Open a session."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def connect_all(port: int, count: int) -> list[Peer]:
    """Open sessions, some at a time."""
    peers: list[Peer] = []
    for start in range(0, count, 50):
        some = min(50, count - start)
        peers += await asyncio.gather(*(connect(port) for _ in range(some)))
    return peers


async def close_all(peers: list[Peer]) -> None:
    """End sessions without a word."""
    for _, writer in peers:
        writer.transport.abort()
    await asyncio.sleep(1.0)


async def measure_cpu(kind: str, sessions: int) -> float:
    """Return the milliseconds of CPU that a second of a live session takes."""
    async with serving(kind) as served:
        peers = await connect_all(served.port, sessions)
        for _, writer in peers:
            writer.write(TEXT_BEGIN)
        began, sent = time.monotonic(), 0
        before = None
        while (passed_s := time.monotonic() - began) < WARM_UP_S + MEASURED_S:
            if before is None and passed_s > WARM_UP_S:
                before = sent, served.cpu_s()
            due = int(passed_s * RATE_PER_S * sessions)
            for number in range(sent, due):
                peers[number % sessions][1].write(AUDIO)
            sent = due
            await asyncio.sleep(0.002)
        assert before is not None
        used_s = served.cpu_s() - before[1]
        return 1000 * used_s / ((sent - before[0]) / RATE_PER_S)


async def measure_idle(kind: str, idle: int, said: list[bytes]) -> float:
    """Return the KiB that a session adds which has said this, and is silent now."""
    async with serving(kind) as served:
        await close_all(await connect_all(served.port, 100))
        peers = await connect_all(served.port, 100)
        await asyncio.sleep(1.0)
        before = served.resident_kib()
        peers += await connect_all(served.port, idle)
        for each in said:
            for _, writer in peers:
                writer.write(each)
                await writer.drain()
            await asyncio.sleep(idle / IDLE_MESSAGES_PER_S)
        await asyncio.sleep(1.0)
        added = served.resident_kib() - before
        await close_all(peers)
        return added / idle


async def measure_growth(short: int) -> tuple[int, int]:
    """Return the KiB of the front after the first 100 short sessions, and after all."""

    async def be_short(port: int) -> None:
        reader, writer = await connect(port)
        writer.write(TEXT_BEGIN + AUDIO * 5 + TEXT_END)
        await reader.readexactly(2)
        writer.transport.abort()

    async with serving("front") as served:
        sizes = []
        for count in (100, short - 100):
            for _ in range(count // 10):
                await asyncio.gather(*(be_short(served.port) for _ in range(10)))
            await asyncio.sleep(1.0)
            sizes.append(served.resident_kib())
        return sizes[0], sizes[1]


def print_costs(costs: dict[str, list[float]]) -> None:
    """Print what was measured of the CPU."""
    for kind, found in costs.items():
        each = " ".join(f"{cost:.2f}" for cost in found)
        print(
            f"{kind:6} {statistics.median(found):6.2f} ms of CPU per second of a session ({each})"
        )
    beyond = [front - bare for bare, front in zip(*costs.values(), strict=True)]
    print(f"beyond the socket {statistics.median(beyond) / 10:.3f} % of a core", flush=True)


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--short", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    costs: dict[str, list[float]] = {"bare": [], "front": []}
    for _ in range(given.repeats):
        for kind, found in costs.items():
            found.append(await measure_cpu(kind, given.sessions))
    if given.repeats:
        print_costs(costs)
    if given.idle:
        for kind in costs:
            for what, said in IDLE.items():
                added = await measure_idle(kind, given.idle, said)
                print(f"{kind:6} {added:6.1f} KiB per idle session {what}", flush=True)
    if given.short:
        first, last = await measure_growth(given.short)
        grown = 100 * (last / first - 1)
        print(f"front  {first} KiB after 100 sessions, {last} after {given.short}: {grown:+.1f} %")


if __name__ == "__main__":
    asyncio.run(main())
