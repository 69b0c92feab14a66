"""Each kind of bad input over a real socket: a clear answer, and all others get their exact words.

Four sessions that mean well, in every mode, have begun before and go on until after.
"""

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import replace

import numpy as np
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

SECOND = b"\x01\x00" * 16000
END = json.dumps({"is_speaking": False})
MB = 1 << 20


class Others:
    """Sessions that mean well, with different amounts of audio."""

    def __init__(self):
        self._clients = []

    async def add(self, client):
        number = len(self._clients)
        mode = ("offline", "2pass", "online", "offline")[number]
        await client.send(json.dumps({"mode": mode, "wav_name": f"good {number}"}))
        await client.send(SECOND)
        self._clients.append(client)

    async def murmur(self):
        for client in self._clients:
            await client.send(b"")

    async def finish(self):
        for number, client in enumerate(self._clients):
            await client.send(b"\x01\x00" * (100 + number))
            await client.send(END)
        for number, client in enumerate(self._clients):
            answer = await receive(client)
            assert (answer["wav_name"], answer["text"]) == (
                f"good {number}",
                f"{16100 + number} samples",
            )
            assert answer["is_final"]


@pytest.fixture
def patience():
    return {}


@pytest.fixture
async def others(stage, patience):
    """Around the test, four sessions that must notice nothing."""
    stage.max_message_bytes = 16 * MB
    stage.bounds = replace(stage.bounds, unread_s=0.3, **patience)
    stage.admission.limit(8)
    await stage.start()
    async with contextlib.AsyncExitStack() as stack:
        others = Others()
        for _ in range(4):
            await others.add(await stack.enter_async_context(stage.connect()))
        yield others
        async with asyncio.timeout(30):
            await others.finish()


@pytest.fixture
def beside(stage, others):
    """The stage where these sessions are."""
    return stage


async def receive(client, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        return json.loads(await client.recv())


async def closed(client, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.recv()
    return client.close_code, client.close_reason


def float_wav(values):
    data = np.array(values, "<f4").tobytes()
    layout = struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32)
    return (
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + layout
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([b""], ""),
        ([b"", b"", b""], ""),
        ([b"\x01"], ""),
        ([b"\x01"] * 5, "2 samples"),
        ([b"\x01" * 3, b"\x02" * 3], "3 samples"),
        ([SECOND + b"\x07"], "16000 samples"),
        ([float_wav([float("nan"), float("inf"), -float("inf"), 1e30, 0.1])], "5 samples"),
        ([float_wav([0.5] * 9) + b"\xff" * 99], "9 samples"),
        (['{"unknown": [1e308]}', SECOND], "16000 samples"),
        (['{"wav_name": "' + "x" * 100_000 + '"}', SECOND], "16000 samples"),
        (['{"hotwords": "' + "词 " * 50_000 + '"}', SECOND], "16000 samples"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value)[:24],
)
async def test_what_is_odd_but_makes_sense_is_recognised(beside, said, text):
    async with beside.connect() as client:
        for message in said:
            await client.send(message)
        await client.send(END)
        answer = await receive(client)
        assert (answer["text"], answer["is_final"]) == (text, True)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{", "must be JSON"),
        ("hello", "must be JSON"),
        ('{"audio_fs": NaN}', "must be JSON"),
        ('{"audio_fs": Infinity}', "must be JSON"),
        ('{"audio_fs": 1e999}', "must be JSON: Number out of range"),
        ('{"audio_fs": ' + "9" * 500 + "}", "audio_fs: "),
        ('{"audio_fs": -1}', "audio_fs: must be a whole number from 4000 to 384000"),
        ('{"mode": "3pass"}', "mode '3pass': "),
        ('{"mode": ' + "[" * 5000 + "]" * 5000 + "}", "must be"),
        ('{"mode": "2pass", "chunk_size": [5, 0, 5]}', "chunk_size: must be three whole numbers"),
        ('{"mode": "2pass", "chunk_size": [1e300, 1, 1]}', "chunk_size: must be"),
        ('{"is_speaking": "perhaps"}', "is_speaking: must be true or false"),
        ("[" * 200_000, "must be JSON"),
        ('{"a": "' + "x" * 300_000 + '"}', "may have 262144 characters"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0\1\0", "too short"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "no format before its data"),
        (b"\0\0" * 16000 * 41, "may last 40 s"),
        (b"\0" * 10 * MB, "may last 40 s"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_makes_no_sense_is_answered_and_the_next_input_is_recognised(
    beside, said, reason
):
    async with beside.connect() as client:
        await client.send(said)
        answer = await receive(client)
        assert reason in answer["error"]
        assert (answer["text"], answer["is_final"]) == ("", False)
        await client.send(END)
        assert (await receive(client))["is_final"]
        good = {"mode": "offline", "wav_format": "pcm", "audio_fs": 16000, "chunk_size": [5, 10, 5]}
        await client.send(json.dumps(good))
        await client.send(SECOND)
        await client.send(END)
        assert (await receive(client))["text"] == "16000 samples"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that does not exist
        (b"\xc2\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (b"\x82\x05hello", 1002),  # not masked
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # goes on with what did not begin
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),  # text that is no UTF-8
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009),  # 8 EiB follow
    ],
)
async def test_broken_frames_close_their_own_connection_alone(beside, raw, code):
    async with beside.connect() as client:
        client.transport.write(raw)
        assert (await closed(client))[0] == code


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x00", b"\r\n\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ???\r\n\r\n",
        b"GET /" + b"x" * 100_000, b"\xff" * 10_000,
    ],
    ids=lambda raw: repr(raw)[:30],
)  # fmt: skip
async def test_half_and_broken_handshakes_take_no_place(beside, raw):
    before = beside.admission.sessions
    connections = [await asyncio.open_connection(*beside.url[5:].split(":")) for _ in range(10)]
    for _, writer in connections:
        with contextlib.suppress(ConnectionError):
            writer.write(raw)
            await writer.drain()
    async with beside.connect() as client:
        await client.send(END)
        assert (await receive(client))["is_final"]
        assert beside.admission.sessions == before + 1
    for _, writer in connections:
        writer.close()


@pytest.mark.parametrize("patience", [{"first_message_s": 1.0, "idle_s": 2.0}])
async def test_a_client_that_says_nothing_or_never_ends_is_told_and_closed(beside, others):
    async with beside.connect() as silent, beside.connect() as endless:
        await endless.send(SECOND)
        ends = asyncio.gather(closed(silent), closed(endless))
        while not ends.done():
            await others.murmur()
            await asyncio.wait([ends], timeout=0.2)
        assert await ends == [(1008, "no message within 1 s"), (1008, "no message for 2 s")]


async def test_a_client_that_vanishes_leaves_nothing_behind(beside, eventually):
    held = beside.budget.held_samples
    for mode in ("offline", "2pass"):
        client = await beside.connect()
        await client.send(json.dumps({"mode": mode}))
        await client.send(SECOND)
        await eventually(lambda: beside.budget.held_samples == held + 16000)
        client.transport.abort()
        await eventually(lambda: beside.budget.held_samples == held)
    await eventually(lambda: beside.admission.sessions == 4)


async def test_a_client_that_never_reads_is_cut_off(beside, eventually):
    host, port = beside.url[5:].split(":")
    plug = socket.create_connection((host, int(port)))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf = await websockets.connect(
        beside.url, sock=plug, ping_interval=None, max_queue=1, close_timeout=0.1
    )
    with contextlib.suppress(ConnectionClosed):
        await deaf.send(json.dumps({"wav_name": "x" * 1000}))
        for _ in range(8000):
            await deaf.send(END)
    await eventually(lambda: beside.admission.sessions == 4)
    deaf.transport.abort()
