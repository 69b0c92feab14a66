import asyncio
import socket

import pytest

from asr_server.link import channel, messages
from asr_server.speech.hints import Hints

LIMITS = messages.BatchLimits(batch_size=16, batch_audio_s=120.0, max_wait_ms=5.0)
TO_ENGINE = [
    messages.Recognize(
        item_id=7, item_class="file", offset=2048, samples=16000, received_at=1.5, deadline=3.0
    ),
    messages.Recognize(8, "file", 0, 9, 1.5, 3.0, Hints("zh", itn=False, hotwords=("阿里", "b"))),
    messages.OpenStream(9, "2pass", (5, 10, 5), hints=Hints("ko", hotwords=("一",))),
    messages.Cancel(item_id=7),
    messages.Configure(limits=LIMITS, shedding=messages.SheddingLimits(0.0, 600.0)),
]
TO_FRONT = [
    messages.Loaded(model="demo", device="cpu", dtype="float32", load_s=0.5),
    messages.Alive(),
    messages.LoadFailed(reason="no such folder"),
    messages.Recognized(
        item_id=7, text="你好。", segments=(messages.Segment(0, 900, ("你", "好")),)
    ),
    messages.Failed(item_id=8, reason="it is poison"),
    messages.BatchRan(
        stage="asr",
        size=2,
        audio_s=4.0,
        padded_s=5.0,
        busy_s=0.01,
        took_s=0.02,
        reason="idle",
        classes=("final", "file"),
        waits=(0.1, 0.2),
    ),
    messages.OutOfMemory(stage="asr", audio_limit_s=60.0),
    messages.Overload(step=2, partials=7, files=1),
]


@pytest.fixture
async def ends():
    ours, theirs = socket.socketpair()
    front = await channel.FrontChannel.open(ours)
    engine = channel.EngineChannel(theirs)
    yield front, engine
    await front.close()
    engine.close()


async def test_every_message_to_the_engine_arrives_as_it_was(ends):
    front, engine = ends
    for message in TO_ENGINE:
        front.send(message)
    received = [await asyncio.to_thread(engine.receive) for _ in TO_ENGINE]
    assert received == TO_ENGINE


async def test_every_message_to_the_front_arrives_as_it_was(ends):
    front, engine = ends
    engine.send(TO_FRONT)
    assert [await front.receive() for _ in TO_FRONT] == TO_FRONT


async def test_a_long_message_crosses_in_pieces(ends):
    front, engine = ends
    tokens = tuple(f"token{number}" for number in range(100_000))
    long = messages.Recognized(1, "x", (messages.Segment(0, 1, tokens),))
    sending = asyncio.create_task(asyncio.to_thread(engine.send, [long]))
    assert await front.receive() == long
    await sending


async def test_the_end_of_the_stream_is_none_on_both_sides(ends):
    front, engine = ends
    await front.close()
    assert await asyncio.to_thread(engine.receive) is None
    engine.close()


async def test_the_front_does_not_wait_for_an_engine_that_reads_nothing(ends):
    front, _ = ends
    front.send_all(10_000 * TO_ENGINE)
    async with asyncio.timeout(30):
        await front.close()
    assert await front.receive() is None


async def test_an_engine_that_dies_with_unread_messages_is_the_end_of_the_stream(ends):
    front, engine = ends
    front.send(TO_ENGINE[0])
    engine.close()
    assert await front.receive() is None


async def test_a_message_cut_short_is_the_end_of_the_stream():
    ours, theirs = socket.socketpair()
    front = await channel.FrontChannel.open(ours)
    theirs.sendall(b"\0\0\0\x10half")
    theirs.close()
    assert await front.receive() is None
    await front.close()


async def test_sending_to_a_front_that_is_gone_is_a_connection_error(ends):
    front, engine = ends
    await front.close()
    await asyncio.to_thread(engine.receive)
    with pytest.raises(ConnectionError):
        engine.send(TO_FRONT)


BAD_FRAMES = {
    "oversized": (b"\xff\xff\xff\xff", "4294967295 bytes is longer than"),
    "not MessagePack": (b"\0\0\0\x02\xc1\xc1", "2 bytes is no message"),
    "an unknown type": (b"\0\0\0\x0a\x81\xa4type\xa3Odd", "Invalid value 'Odd'"),
    "fields missing": (b"\0\0\0\x0d\x81\xa4type\xa6Failed", "missing required field"),
}


@pytest.mark.parametrize(("frame", "reason"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_the_front_names_what_is_wrong_with_a_frame(frame, reason):
    ours, theirs = socket.socketpair()
    front = await channel.FrontChannel.open(ours)
    theirs.sendall(frame)
    with pytest.raises(channel.ChannelError, match=reason):
        await front.receive()
    await front.close()
    theirs.close()


@pytest.mark.parametrize("name", ["oversized", "not MessagePack", "an unknown type"])
def test_the_engine_names_what_is_wrong_with_a_frame(name):
    frame, reason = BAD_FRAMES[name]
    ours, theirs = socket.socketpair()
    engine = channel.EngineChannel(theirs)
    ours.sendall(frame)
    with pytest.raises(channel.ChannelError, match=reason):
        engine.receive()
    ours.close()
    engine.close()


def test_a_message_longer_than_a_frame_is_not_sent(monkeypatch):
    monkeypatch.setattr(channel, "MAX_FRAME_BYTES", 100)
    ours, theirs = socket.socketpair()
    engine = channel.EngineChannel(theirs)
    with pytest.raises(channel.ChannelError, match="longer than the 100 allowed"):
        engine.send([messages.LoadFailed(reason="x" * 101)])
    ours.close()
    engine.close()
