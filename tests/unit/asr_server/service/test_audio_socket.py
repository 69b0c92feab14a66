"""The short way of audio messages: what arrives, in which order, is as without it."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode, apply_mask
from websockets.server import ServerProtocol

from asr_server.service.audio_socket import MOST_AT_ONCE, AudioSocket

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MAX_BYTES = 4096
AUDIO = b"\1\2" * 960
HEAD_BYTES = 8  # at most, of what comes here
LIKE_A_HEAD = b"\x82\x84\1\2"  # a mask: silence under it looks like the head of a message


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""

    def write(self, data):
        self.written += data

    def write_eof(self):
        self.written += b"<end>"

    def can_write_eof(self):
        return True

    def is_closing(self):
        return False

    def close(self):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def set_write_buffer_limits(self, high=None, low=None):
        pass


async def idle(_):
    pass


def opened(kind):
    """Return a connection after its handshake."""
    server = SimpleNamespace(handler=idle, handler_tasks=set())
    connection = kind(ServerProtocol(max_size=MAX_BYTES), server)
    connection.connection_made(Transport())
    connection.data_received(HANDSHAKE)
    connection.protocol.send_response(connection.protocol.accept(connection.request))
    connection.send_data()
    connection.transport.written = b""
    return connection


class Reader:
    """Takes messages as a session does: those that it is offered, unless it has one in hand."""

    def __init__(self, connection, refusals=()):
        self.connection = connection
        self.heard, self.taken = [], 0
        self._refusals = iter(refusals)
        self._busy = False

    def take(self, data):
        if self._busy or next(self._refusals, False):
            return False
        self.heard.append(data)
        self.taken += 1
        return True

    async def read(self):
        async for message in self.connection:
            self._busy = True
            await asyncio.sleep(0)
            self.heard.append(message)
            self._busy = False


async def receive(kind, pieces, refusals, *, turns):
    connection = opened(kind)
    reader = Reader(connection, refusals)
    connection.take = reader.take
    reading = asyncio.create_task(reader.read())
    for piece in pieces:
        connection.data_received(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    for _ in range(3 * len(pieces) + 20):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.gather(reading, return_exceptions=True)
    return reader.heard, connection.close_code, connection.transport.written


def cut(frames, places):
    """Cut so many bytes after where a frame begins."""
    data, begins = b"".join(frames), [0, *itertools.accumulate(map(len, frames))]
    places = [(begins[number % len(begins)] + after) % (len(data) + 1) for number, after in places]
    return [data[a:b] for a, b in itertools.pairwise([0, *sorted(places), len(data)]) if b > a]


def serialize(frame):
    return frame.serialize(mask=True)


def silence(length):
    """Return a message that is full of heads of messages, for who looks at a wrong place."""
    head = Frame(Opcode.BINARY, bytes(length)).serialize(mask=False)
    head = head[: len(head) - length]
    mask = LIKE_A_HEAD
    return bytes([head[0], head[1] | 0x80]) + head[2:] + mask + apply_mask(bytes(length), mask)


lengths = st.sampled_from([0, 1, 2, 3, 125, 126, 127, 1920, MAX_BYTES, MAX_BYTES + 1])
audio = st.one_of(
    st.builds(silence, lengths),
    st.builds(lambda length: serialize(Frame(Opcode.BINARY, AUDIO[:1] * length)), lengths),
)
kinds = st.sampled_from([Opcode.BINARY, Opcode.TEXT, Opcode.CONT, Opcode.PING, Opcode.CLOSE])
others = st.builds(
    lambda kind, data, fin: serialize(Frame(kind, data, fin or kind > 7)),
    kinds,
    st.sampled_from([b"", b"{}", b"\x03\xe8"]),
    st.booleans(),
)
broken = st.one_of(
    st.binary(max_size=12),
    st.just(Frame(Opcode.BINARY, AUDIO).serialize(mask=False)),
    st.just(b"\xc2\x82abcd12"),  # with a reserved bit
    st.just(b"\x82\xff" + bytes(6) + b"\x00\x04abcd1234"),
)


@given(
    frames=st.lists(st.one_of(audio, audio, audio, others, broken), max_size=8),
    places=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, HEAD_BYTES) | st.integers(0, 1 << 16)),
        max_size=6,
    ),
    refusals=st.lists(st.booleans(), max_size=8),
    turns=st.integers(0, 3),
)
def test_whatever_comes_and_however_it_is_cut_it_is_as_the_library_has_it(
    frames, places, refusals, turns
):
    pieces = cut(frames, places)
    ours = asyncio.run(receive(AudioSocket, pieces, refusals, turns=turns))
    assert ours == asyncio.run(receive(ServerConnection, pieces, (), turns=turns))


@pytest.mark.parametrize("length", [120, 600])
@pytest.mark.parametrize("after", range(1, HEAD_BYTES + 2))
async def test_a_head_that_comes_by_itself_is_no_end_of_a_message(length, after):
    message = silence(length)
    pieces = [message[:after], message[after:], message]
    heard, code, written = await receive(AudioSocket, pieces, (), turns=1)
    assert (heard, code, written) == ([bytes(length)] * 2, 1006, b"")


@pytest.mark.parametrize("length", [2, 125, 126, 1920, MAX_BYTES])
async def test_audio_that_is_whole_waits_for_no_task(length):
    connection = opened(AudioSocket)
    reader = Reader(connection)
    connection.take = reader.take
    message = AUDIO[:length] * (length // len(AUDIO[:length]))
    connection.data_received(2 * serialize(Frame(Opcode.BINARY, message)))
    assert reader.heard == [message, message]


async def test_of_a_flood_only_so_much_is_taken_in_one_turn():
    connection = opened(AudioSocket)
    reader = Reader(connection)
    connection.take = reader.take
    connection.data_received((MOST_AT_ONCE + 5) * serialize(Frame(Opcode.BINARY, b"12")))
    assert reader.taken == MOST_AT_ONCE
    assert len(connection.recv_messages.frames) == 5
