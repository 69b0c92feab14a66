"""The process that is measured: `python -m benchmarks.front.served bare|front`.

`bare` reads WebSocket messages with the library and the settings of the server, and forgets them.
`front` is the whole front; its engine is a process that only says what is settled. Prints its port.
"""

import asyncio
import contextlib
import multiprocessing
import socket
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from asr_server.link import channel, messages
from asr_server.link.arena import Arena
from asr_server.metrics import Metrics
from asr_server.service import bounds, listener
from asr_server.service.admission import Admission
from asr_server.service.connection import Surroundings
from asr_server.service.engine_link import EngineLink
from asr_server.speech.effects import SessionLimits

SETTLE_SAMPLES = 16_000  # silence is settled in stretches of so much, as the engine does


async def read_only(connection: ServerConnection) -> None:
    """Take every message, and do nothing with it."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in connection:
            pass


async def serve_bare() -> int:
    """Listen with the library alone; return the port."""
    server = await serve(
        read_only,
        "127.0.0.1",
        0,
        compression=None,
        server_header=None,
        ping_interval=listener.PING_S,
        ping_timeout=None,
        max_queue=listener.INBOUND_FRAMES,
    )
    return int(server.sockets[0].getsockname()[1])


def settle_all(sock: socket.socket, other: socket.socket) -> None:
    """Be an engine to which everything is silence."""
    other.close()  # or the death of the front would never be seen
    front = channel.EngineChannel(sock)
    heard: dict[int, int] = {}
    settled: dict[int, int] = {}
    while (message := front.receive()) is not None:
        match message:
            case messages.OpenStream(stream_id=stream_id):
                heard[stream_id] = settled[stream_id] = 0
            case messages.Feed(stream_id=stream_id, samples=samples):
                heard[stream_id] += samples
                if heard[stream_id] - settled[stream_id] >= SETTLE_SAMPLES:
                    settled[stream_id] = heard[stream_id]
                    front.send([messages.Settled(stream_id, heard[stream_id])])
            case messages.EndStream(stream_id=stream_id):
                settled_all = messages.Settled(stream_id, heard[stream_id])
                front.send([settled_all, messages.StreamEnded(stream_id)])


async def serve_front() -> int:
    """Listen with the whole front; return the port."""
    ours, theirs = socket.socketpair()
    multiprocessing.get_context("fork").Process(
        target=settle_all, args=(theirs, ours), daemon=True
    ).start()
    theirs.close()
    metrics, arena = Metrics(), Arena.create(64_000_000)
    link = EngineLink(arena, messages.BatchLimits(16, 120.0, 20.0), lambda _report: None)
    front = await channel.FrontChannel.open(ours)
    link.connect(front)
    admission = Admission(metrics.session, 100_000, 0)
    admission.closed = None
    budget, limits = bounds.AudioBudget(arena.samples), SessionLimits(14400.0, 14400.0, 4096)
    around = Surroundings(link, budget, limits, metrics.session)
    port = listener.Listener(admission, around, bounds.Bounds(3600.0, first_message_s=3600.0))
    tasks.append(asyncio.create_task(answer(front, link)))
    tasks.append(asyncio.create_task(port.sweep()))
    return await port.start(listener.Endpoint("127.0.0.1", 0, 64 * 1024 * 1024))


async def answer(front: channel.FrontChannel, link: EngineLink) -> None:
    """Hand the front what its engine says."""
    while (message := await front.receive()) is not None:
        link.handle(message)


async def main() -> None:
    """Serve until the parent ends the process."""
    port = await (serve_bare() if sys.argv[1] == "bare" else serve_front())
    print(port, flush=True)
    await asyncio.Event().wait()


tasks: list[asyncio.Task[None]] = []

if __name__ == "__main__":
    asyncio.run(main())
