"""A WebSocket server that takes audio and does nothing with it: what a socket alone costs.

python -m benchmarks.server.sink PORT
"""

import asyncio
import json
import sys

from websockets.asyncio.server import ServerConnection, serve

END = json.dumps({"mode": "2pass-offline", "text": "", "is_end": True, "is_final": True})


async def take(socket: ServerConnection) -> None:
    """Receive everything; acknowledge the end."""
    async for message in socket:
        if isinstance(message, str) and not json.loads(message)["is_speaking"]:
            await socket.send(END)


async def main(port: int) -> None:
    """Serve for ever."""
    async with serve(take, "127.0.0.1", port, compression=None, ping_interval=None) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
