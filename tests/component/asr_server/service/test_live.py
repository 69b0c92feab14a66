"""Live inputs over real sockets, with an engine whose words the test says."""

import asyncio
import contextlib
import json
import socket
from dataclasses import replace

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from asr_server.service.connection import Connection
from asr_server.service.drain import drain
from asr_server.speech.effects import Failure, SettledTo

FRAME = b"\x01\x00" * 960
SECOND = b"\x01\x00" * 16000
START = json.dumps({"mode": "2pass", "chunk_size": [5, 10, 5], "wav_name": "a"})
END = json.dumps({"is_speaking": False})
ACK = json.dumps({"is_speaking": False, "is_end": True})


async def receive(client, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        return json.loads(await client.recv())


async def receive_all(client, timeout_s=30.0):
    """Read up to the acknowledgement of the end."""
    messages = []
    async with asyncio.timeout(timeout_s):
        while not messages or "received_ms" not in messages[-1]:
            messages.append(json.loads(await client.recv()))
    return messages


async def closed(client, timeout_s=30.0):
    """Read to the end; return the close code and the messages before it."""
    messages = []
    async with asyncio.timeout(timeout_s):
        try:
            while True:
                messages.append(json.loads(await client.recv()))
        except ConnectionClosed:
            return client.close_code, messages


async def speak(stage, client, eventually, seconds=1):
    """Begin a live input; return its stream once all of it has come."""
    known = len(stage.engine.streams)
    await client.send(START)
    for _ in range(seconds):
        await client.send(SECOND)
    await eventually(lambda: len(stage.engine.streams) > known)
    stream = stage.engine.streams[-1]
    await eventually(lambda: stream.samples == 16000 * seconds)
    return stream


async def test_words_come_while_the_client_speaks_and_all_is_counted(stage, eventually):
    await stage.start()
    async with stage.connect() as client:
        stream = await speak(stage, client, eventually)
        assert stream.opening == ("2pass", (5, 10, 5))
        stream.say("你", "好")
        assert (await receive(client))["text"] == "你好"  # joined: neither had left
        stream.say_final("你好。")
        assert (await receive(client))["mode"] == "2pass-offline"
        await client.send(FRAME)
        await client.send(ACK)
        last, done = await receive(client), await receive(client)
    assert (last["text"], last["is_final"]) == ("960 samples", True)
    assert (done["received_ms"], done["processed_ms"]) == (1060, 1060)
    assert stage.value("asr_received_audio_seconds_total", **{"class": "final"}) == 1.06
    assert stage.value("asr_received_items_total", **{"class": "final"}) == 1
    assert stage.value("asr_audio_seconds_total", **{"class": "final"}) == 1.06
    assert stage.value("asr_utterances_total", outcome="ok") == 2
    assert stage.value("asr_final_latency_seconds_count", mode="2pass") == 2
    assert stage.value("asr_final_latency_seconds_sum", mode="2pass") >= 1
    assert stage.value("asr_first_partial_seconds_count", mode="2pass") == 1
    assert stage.budget.held_samples == 0


class Waiting(set):
    """The descriptors that may wait, in place of the selector that knows them."""

    def set_patient(self, fd, *, patient):
        (self.add if patient else self.discard)(fd)


async def test_a_socket_may_wait_while_it_has_a_live_input(stage, eventually):
    stage.gathering = waiting = Waiting()
    await stage.start()
    async with stage.connect() as client:
        await speak(stage, client, eventually)
        assert len(waiting) == 1
        await client.send(ACK)
        await receive_all(client)
        assert not waiting
        await client.send(json.dumps({"mode": "offline"}))
        await client.send(SECOND)
        await client.send(END)
        assert (await receive(client))["text"] == "16000 samples"
        assert not waiting


async def test_live_audio_does_not_wait_for_the_reader(stage, eventually, monkeypatch):
    read = []
    receive = Connection._receive

    async def spy(self, message):
        read.append(message)
        await receive(self, message)

    monkeypatch.setattr(Connection, "_receive", spy)
    await stage.start()
    async with stage.connect() as client:
        stream = await speak(stage, client, eventually)
        read.clear()
        for _ in range(10):
            await client.send(FRAME)
        await client.send(ACK)
        assert (await receive_all(client))[-1]["received_ms"] == 1600
    assert stream.samples == 16000 + 9600
    assert read == [ACK]


async def test_audio_without_room_is_refused_and_the_rest_is_answered(stage, eventually):
    stage.engine.stream_room = 20000
    await stage.start()
    async with stage.connect() as client:
        await client.send(START)
        await client.send(SECOND * 2)
        assert "audio buffer of this server is full" in (await receive(client))["error"]
        last = await receive(client)
        assert last == last | {"text": "20000 samples", "is_final": False}
        await client.send(SECOND)
        await client.send(ACK)
        last, done = await receive(client), await receive(client)
    assert (last["is_final"], done["received_ms"]) == (True, 1250)
    assert "full" in done["error"]
    assert stage.value("asr_received_audio_seconds_total", **{"class": "final"}) == 3


async def test_a_stream_that_fails_fails_alone(stage, eventually):
    await stage.start()
    async with stage.connect() as good, stage.connect() as bad:
        first = await speak(stage, good, eventually)
        (await speak(stage, bad, eventually)).say(Failure("poison"))
        assert (await receive(bad))["error"] == "poison"
        await bad.send(SECOND)
        await bad.send(END)
        assert (await receive(bad))["is_final"]
        assert not first.ended
        await good.send(END)
        assert (await receive(good))["text"] == "16000 samples"


@pytest.mark.parametrize("ends", [False, True])
async def test_a_client_that_leaves_takes_its_stream_with_it(stage, eventually, ends):
    await stage.start()
    stage.engine.gate.clear()
    async with stage.connect() as client:
        stream = await speak(stage, client, eventually)
        assert stage.budget.held_samples == 16000
        if ends:
            await client.send(END)
    await eventually(lambda: stream.ended is ends)
    await eventually(lambda: stream.cancelled)
    await eventually(lambda: (stage.budget.held_samples, stage.admission.sessions) == (0, 0))


async def test_a_client_that_reads_slowly_gets_all_text_in_few_messages(stage, eventually):
    await stage.start()
    host, port = stage.url[5:].split(":")
    plug = socket.create_connection((host, int(port)))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    async with websockets.connect(
        stage.url, sock=plug, ping_interval=None, max_queue=1, max_size=None
    ) as client:
        stream = await speak(stage, client, eventually)
        for _ in range(3000):
            stream.say("文" * 1000)
            await asyncio.sleep(0)
        stream.say_final("x" * 10)
        texts = []
        while (message := await receive(client))["mode"] == "2pass-online":
            texts.append(message["text"])
        assert "".join(texts) == "文" * 3_000_000
        assert len(texts) < 2500


async def keep_sending(client):
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send(FRAME)
            await asyncio.sleep(0.01)


async def test_who_is_silent_for_long_is_idle(stage, eventually):
    await stage.start()
    async with stage.connect() as client:
        stream = await speak(stage, client, eventually, seconds=11)
        assert stage.value("asr_sessions", state="speaking") == 1
        stream.say(SettledTo(16000 * 10))
        assert stage.value("asr_sessions", state="idle") == 1


async def test_a_live_client_that_stops_sending_gets_its_words_and_is_closed(stage, eventually):
    stage.bounds = replace(stage.bounds, idle_s=1.0)
    await stage.start()
    async with stage.connect() as client:
        await speak(stage, client, eventually)
        code, messages = await closed(client)
    assert (code, [m["text"] for m in messages]) == (1008, ["16000 samples"])
    assert messages[0]["is_final"]


async def test_a_drain_waits_for_the_speaker_and_ends_who_is_silent(stage, eventually):
    await stage.start()
    async with stage.connect() as speaking, stage.connect() as silent:
        await speak(stage, speaking, eventually)
        stream = await speak(stage, silent, eventually, seconds=11)
        stream.say_final("一", end=100)
        stream.say(SettledTo(16000 * 11))
        going_on = asyncio.create_task(keep_sending(silent))
        draining = asyncio.create_task(drain(stage.listener, stage.admission, 30, asyncio.Event()))
        code, messages = await closed(silent)
        await going_on
        assert len(stage.engine.streams) == 2
        assert (code, messages[-1]["is_final"]) == (1012, True)
        await speaking.send(SECOND)
        await speaking.send(END)
        assert (await receive(speaking))["text"] == "32000 samples"
        assert (await closed(speaking))[0] == 1012
        async with asyncio.timeout(30):
            await draining


async def test_when_the_drain_time_is_up_what_was_said_is_finalised_and_closed_1001(
    stage, eventually
):
    await stage.start()
    async with stage.connect() as client:
        await speak(stage, client, eventually)
        async with asyncio.timeout(30):
            await drain(stage.listener, stage.admission, 0.05, asyncio.Event())
        code, messages = await closed(client)
    assert code == 1001
    assert [(m["text"], m["is_final"]) for m in messages] == [("16000 samples", True)]


@pytest.mark.parametrize("mode", ["online", "2pass"])
async def test_inputs_of_all_modes_share_a_connection(stage, mode):
    await stage.start()
    async with stage.connect() as client:
        for each in ("offline", mode, "offline", mode):
            await client.send(json.dumps({"mode": each, "wav_name": each}))
            await client.send(SECOND)
            await client.send(END)
        found = [await receive(client) for _ in range(4)]
    assert [m["wav_name"] for m in found] == ["offline", mode, "offline", mode]
    assert all(m["is_final"] and m["text"] == "16000 samples" for m in found)
