"""What a session in the middle of a live input costs in memory while nothing is said."""

import asyncio

from asr_server.bench.session import render_begin
from asr_server.client.arguments import ServerAddress
from asr_server.client.connecting import connect_once
from benchmarks.server.benching import anonymous_kib
from benchmarks.server.figures import Figure
from benchmarks.serving import Server

FEW, MANY = 100, 1100
SETTLE_S = 2.0
FRAMES, FRAME = 25, bytes(3200)  # 2.5 s of silence


def measure() -> list[Figure]:
    """Return what the front grows by per session, once it is warm."""
    with Server("--max-sessions=2000", "--shed-late-ms=0") as server:
        few_kib, many_kib = asyncio.run(_grow(server))
    detail = (
        f"front process, {MANY} 2pass sessions that are silent after 2.5 s of audio, over {FEW}"
    )
    raw = {"kib": {str(FEW): few_kib, str(MANY): many_kib}}
    return [Figure("idle_session_kib", (many_kib - few_kib) / (MANY - FEW), "KiB", detail, raw)]


async def _grow(server: Server) -> tuple[int, int]:
    sockets = []
    held_kib = []
    for number in range(MANY):
        socket = await connect_once(ServerAddress(server.url), direct=True)
        await socket.send(render_begin(f"idle-{number}", "2pass"))
        for _ in range(FRAMES):
            await socket.send(FRAME)
        sockets.append(socket)
        if len(sockets) in (FEW, MANY):
            await asyncio.sleep(SETTLE_S)
            held_kib.append(anonymous_kib(server.pid))
    for socket in sockets:
        socket.transport.abort()
    return held_kib[0], held_kib[1]
