"""Real clients on loopback against the listener, with an engine under the test's control."""

import asyncio
import json
import socket
from dataclasses import replace

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr_server.service import door as doors
from asr_server.service.admission import DRAINING, LOADING
from asr_server.service.drain import drain
from asr_server.service.listener import Listener
from asr_server.speech.hints import Hints

SECOND = b"\x01\x00" * 16000
END = json.dumps({"is_speaking": False})


async def receive(client, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        return json.loads(await client.recv())


async def open_client(stage):
    return await stage.connect()


async def closed(client, timeout_s=30.0):
    """Read to the end; return the close code."""
    async with asyncio.timeout(timeout_s):
        try:
            while True:
                await client.recv()
        except ConnectionClosed:
            return client.close_code


async def test_an_utterance_is_answered_and_counted(stage):
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND)
        await client.send(END)
        assert (await receive(client))["text"] == "16000 samples"
    await stage.stop()
    assert stage.value("asr_received_audio_seconds_total", **{"class": "file"}) == 1
    assert stage.value("asr_audio_seconds_total", **{"class": "file"}) == 1
    assert stage.value("asr_utterances_total", outcome="ok") == 1
    assert stage.value("asr_final_latency_seconds_count", mode="offline") == 1
    assert stage.budget.held_samples == 0


async def test_what_is_said_of_the_speech_reaches_the_engine(stage):
    await stage.start()
    said = {"hotwords": '{"打开": 20}', "svs_lang": "zh", "svs_itn": False, "is_speaking": True}
    async with stage.connect() as client:
        for mode in ("offline", "2pass"):
            await client.send(json.dumps(said | {"mode": mode}))
            await client.send(SECOND)
            await client.send(END)
            assert (await receive(client))["text"] == "16000 samples"
    assert stage.engine.hints == [Hints("zh", itn=False, hotwords=("打开",))] * 2


async def test_too_many_hotwords_are_refused_before_the_audio_and_the_connection_lives(stage):
    await stage.start()
    words = " ".join(f"w{number}" for number in range(1001))
    async with stage.connect() as client:
        await client.send(json.dumps({"mode": "2pass", "hotwords": words}))
        told = await receive(client)
        assert told["error"] == "hotwords: there may be 1000 words, not 1001"
        await client.send(END)
        await receive(client)
        await client.send(json.dumps({"hotwords": "w1"}))
        await client.send(SECOND)
        await client.send(END)
        assert (await receive(client))["text"] == "16000 samples"


@pytest.mark.parametrize(
    ("offered", "chosen"), [(None, None), (["binary"], "binary"), (["chat"], None)]
)
async def test_the_subprotocol_is_optional(stage, offered, chosen):
    await stage.start()
    async with stage.connect(subprotocols=offered) as client:
        assert client.subprotocol == chosen


async def test_any_path_is_served_without_compression(stage):
    await stage.start()
    async with websockets.connect(stage.url + "/any/path?x=1") as client:
        assert client.response.headers.get("Sec-WebSocket-Extensions") is None


async def test_reading_goes_on_while_the_engine_is_busy(stage):
    stage.engine.gate.clear()
    await stage.start()
    async with stage.connect() as client:
        for _ in range(20):
            await client.send(SECOND)
            await client.send(END)
        async with asyncio.timeout(30):
            await (await client.ping())
        stage.engine.gate.set()
        assert [(await receive(client))["text"] for _ in range(20)] == ["16000 samples"] * 20


async def test_what_the_engine_refuses_is_an_error_and_the_connection_lives(stage):
    stage.engine.poison = 16000
    await stage.start()
    async with stage.connect() as client:
        for audio in (SECOND, SECOND * 2):
            await client.send(audio)
            await client.send(END)
        assert (await receive(client))["error"] == "poisonous audio"
        assert (await receive(client))["text"] == "32000 samples"
    assert stage.value("asr_utterances_total", outcome="failed") == 1


async def test_a_full_arena_fails_the_input_and_the_connection_lives(stage):
    stage.engine.room = False
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND)
        await client.send(END)
        assert "audio buffer of this server is full" in (await receive(client))["error"]
        stage.engine.room = True
        await client.send(SECOND)
        await client.send(END)
        assert (await receive(client))["text"] == "16000 samples"


async def test_all_sessions_share_one_audio_budget(stage, eventually):
    stage.budget.limit_samples = 16000 * 3
    await stage.start()
    async with stage.connect() as first, stage.connect() as second:
        await first.send(SECOND * 2)
        await eventually(lambda: stage.budget.held_samples == 32000)
        await second.send(SECOND * 2)
        assert "audio buffer of this server is full" in (await receive(second))["error"]
        assert stage.budget.held_samples == 32000
        await first.send(END)
        assert (await receive(first))["text"] == "32000 samples"
    await eventually(lambda: stage.budget.held_samples == 0)


async def test_audio_that_finds_no_room_is_counted_as_demand(stage, eventually):
    stage.budget.limit_samples = 16000 * 3
    await stage.start()
    async with stage.connect() as client:
        await client.send(json.dumps({"audio_fs": 8000}))
        for _ in range(10):
            await client.send(SECOND)  # two seconds at this rate
        await client.send(END)
        assert "audio buffer of this server is full" in (await receive(client))["error"]
        await receive(client)
    heard = stage.value("asr_received_audio_seconds_total", **{"class": "file"})
    assert heard == pytest.approx(20, abs=0.1)
    assert stage.value("asr_received_items_total", **{"class": "file"}) == 1


async def test_a_client_that_leaves_early_frees_what_it_held(stage, eventually):
    stage.engine.gate.clear()
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND)
        await client.send(END)
        await client.send(SECOND)
        await eventually(lambda: stage.budget.held_samples == 32000)
    await eventually(lambda: stage.engine.cancelled == 1)
    await eventually(lambda: (stage.budget.held_samples, stage.admission.sessions) == (0, 0))


async def test_garbage_hurts_nobody_else(stage):
    await stage.start()
    async with stage.connect() as good:
        await good.send(SECOND)
        for junk in ("{", "[]", b"", b"\x00", json.dumps({"audio_fs": "NaN"}), '{"mode": NaN}'):
            async with stage.connect() as bad:
                await bad.send(junk)
                await bad.send(END)
                assert (await receive(bad))["mode"] == "offline"
        for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01garbage", b"\r\n" * 9):
            _, writer = await asyncio.open_connection(*stage.url[5:].split(":"))
            writer.write(raw)
            writer.close()
            await writer.wait_closed()
        await good.send(END)
        assert (await receive(good))["text"] == "16000 samples"


async def test_a_message_that_is_too_long_closes_only_its_own_connection(stage):
    await stage.start()
    async with stage.connect() as good, stage.connect() as bad:
        await bad.send(b"\x00" * (stage.max_message_bytes + 1))
        assert await closed(bad) == 1009
        await good.send(END)
        assert (await receive(good))["is_final"]


async def test_a_text_message_that_is_no_utf8_closes_only_its_own_connection(stage):
    await stage.start()
    async with stage.connect() as good, stage.connect() as bad:
        await bad.send(b"\xff\xfe", text=True)
        assert await closed(bad) == 1007
        await good.send(END)
        assert (await receive(good))["is_final"]


async def test_a_long_message_is_taken_in_while_others_are_served(stage):
    stage.max_message_bytes = 8_000_000
    stage.limits = replace(stage.limits, utterance_s=300.0, queued_s=300.0)
    stage.budget.limit_samples = 16000 * 300
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND * 200)
        await client.send(END)
        assert (await receive(client))["text"] == "3200000 samples"


@pytest.mark.parametrize(("closed_for", "reason"), [(LOADING, "loading"), (DRAINING, "draining")])
async def test_a_closed_server_says_503_before_the_upgrade(stage, closed_for, reason):
    stage.admission.closed = closed_for
    await stage.start()
    with pytest.raises(InvalidStatus) as caught:
        await stage.connect()
    assert caught.value.response.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 0
    assert stage.value("asr_refused_sessions_total", reason=reason) == 1


async def test_newcomers_wait_at_the_door_and_come_in_when_there_is_room(stage, eventually):
    stage.room = 0
    await stage.start()
    clients = [asyncio.create_task(open_client(stage)) for _ in range(3)]
    await eventually(lambda: stage.value("asr_waiting_sessions") == 3)
    assert stage.admission.sessions == 0
    stage.room = 2
    stage.door.let_in()
    await eventually(lambda: stage.admission.sessions == 2)
    await eventually(lambda: sum(client.done() for client in clients) == 2)
    stage.admission.close(DRAINING)
    ended = await asyncio.gather(*clients, return_exceptions=True)
    assert [each.response.status_code for each in ended if isinstance(each, InvalidStatus)] == [503]
    for client in ended:
        if not isinstance(client, InvalidStatus):
            await client.close()


async def test_who_hangs_up_at_the_door_is_not_waited_for(stage, eventually, monkeypatch):
    monkeypatch.setattr(doors, "WAIT_S", 600.0)
    stage.room = 0
    await stage.start()
    client = asyncio.create_task(open_client(stage))
    await eventually(lambda: stage.value("asr_waiting_sessions") == 1)
    client.cancel()
    await eventually(lambda: stage.value("asr_waiting_sessions") == 0)
    stage.room = 1
    async with stage.connect():
        pass
    await eventually(lambda: stage.admission.sessions == 0)


@pytest.mark.parametrize("mode", ["2pass", "offline", None])
async def test_who_begins_or_leaves_is_not_expected_any_more(stage, eventually, monkeypatch, mode):
    monkeypatch.setattr(doors, "NEW_S", 600.0)
    monkeypatch.setattr(doors, "WAIT_S", 30.0)
    stage.room = 1
    await stage.start()
    async with stage.connect() as first:
        second = asyncio.create_task(open_client(stage))
        await eventually(lambda: stage.value("asr_waiting_sessions") == 1)
        if mode is None:
            await first.close()
        else:
            await first.send(json.dumps({"mode": mode}))
            await first.send(SECOND)
            await first.send(END)
            await receive(first)
            stage.door.let_in()
        await (await second).close()


async def test_who_has_waited_for_long_gets_503(stage, monkeypatch):
    monkeypatch.setattr(doors, "WAIT_S", 0.2)
    stage.room = 0
    await stage.start()
    with pytest.raises(InvalidStatus) as caught:
        await stage.connect()
    assert caught.value.response.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 0
    assert stage.value("asr_refused_sessions_total", reason="overloaded") == 1
    stage.room = 1
    async with stage.connect():
        pass


async def test_a_full_server_says_503_until_a_session_ends(stage, eventually):
    stage.admission.limit(1)
    await stage.start()
    async with stage.connect():
        with pytest.raises(InvalidStatus) as caught:
            await stage.connect()
        assert caught.value.response.status_code == 503
    await eventually(lambda: stage.admission.sessions == 0)
    async with stage.connect():
        assert stage.value("asr_refused_sessions_total", reason="full") == 1


async def test_who_got_through_the_handshake_beside_others_is_refused_after_it(stage, monkeypatch):
    stage.admission.limit(1)
    monkeypatch.setattr(Listener, "_admit", lambda *_: None)
    await stage.start()
    async with stage.connect() as first, stage.connect() as second:
        assert await closed(second) == 1013
        await first.send(END)
        assert (await receive(first))["is_final"]


async def test_a_plain_http_request_is_told_to_upgrade_and_takes_no_place(stage):
    stage.admission.limit(1)
    await stage.start()
    reader, writer = await asyncio.open_connection(*stage.url[5:].split(":"))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"426" in await reader.readline()
    writer.close()
    async with stage.connect():
        assert stage.admission.sessions == 1


async def test_a_half_open_handshake_takes_no_place(stage):
    stage.admission.limit(1)
    await stage.start()
    _, writer = await asyncio.open_connection(*stage.url[5:].split(":"))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")
    async with stage.connect():
        assert stage.admission.sessions == 1
    writer.close()


async def test_a_silent_client_is_closed(stage):
    stage.bounds = replace(stage.bounds, first_message_s=0.1, idle_s=0.2)
    await stage.start()
    async with stage.connect() as never, stage.connect() as once:
        await once.send(END)
        assert await closed(never) == 1008
        assert "no message within 0.1 s" in never.close_reason
        assert await closed(once) == 1008


async def test_a_client_that_waits_for_its_final_is_not_idle(stage):
    stage.bounds = replace(stage.bounds, idle_s=0.1)
    stage.engine.gate.clear()
    await stage.start()
    async with stage.connect() as client, stage.connect() as idle:
        await client.send(SECOND)
        await client.send(END)
        await idle.send(END)
        assert await closed(idle) == 1008
        stage.engine.gate.set()
        assert (await receive(client))["text"] == "16000 samples"


async def test_a_client_that_never_reads_is_cut_off_and_the_others_are_served(stage, eventually):
    stage.bounds = replace(stage.bounds, unread_s=0.2)
    await stage.start()
    host, port = stage.url[5:].split(":")
    plug = socket.create_connection((host, int(port)))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with websockets.connect(
        stage.url, sock=plug, ping_interval=None, max_queue=1, close_timeout=0.1
    ) as stuck, stage.connect() as good:  # fmt: skip
        name = json.dumps({"wav_name": "x" * 1000})
        for _ in range(4000):
            await stuck.send(name)
            await stuck.send(END)
        await eventually(lambda: stage.admission.sessions == 1)
        await good.send(END)
        assert (await receive(good))["is_final"]


async def test_a_client_that_piles_up_inputs_is_disconnected(stage):
    stage.engine.gate.clear()
    await stage.start()
    async with stage.connect() as client:
        for _ in range(60):
            await client.send(b"\x00\x00")
            await client.send(END)
        assert await closed(client) == 1008
        assert "replies are waiting" in client.close_reason


async def test_a_drain_lets_an_utterance_finish_and_closes_idle_sessions(stage):
    await stage.start()
    async with stage.connect() as speaking, stage.connect() as idle:
        await speaking.send(SECOND)
        await idle.send(END)
        await receive(idle)
        draining = asyncio.create_task(drain(stage.listener, stage.admission, 30, asyncio.Event()))
        assert await closed(idle) == 1012
        with pytest.raises(InvalidStatus):
            await stage.connect()
        assert stage.value("asr_sessions", state="draining") == 1
        await speaking.send(SECOND)
        await speaking.send(END)
        assert (await receive(speaking))["text"] == "32000 samples"
        assert await closed(speaking) == 1012
        async with asyncio.timeout(30):
            await draining


async def test_when_the_drain_time_is_up_open_inputs_get_their_finals_and_1001(stage):
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND)
        await client.send("bad")
        await receive(client)
        async with asyncio.timeout(30):
            await drain(stage.listener, stage.admission, 0.05, asyncio.Event())
        assert (await receive(client))["text"] == "16000 samples"
        assert await closed(client) == 1001


async def test_a_second_signal_ends_the_drain(stage):
    await stage.start()
    hurry = asyncio.Event()
    async with stage.connect() as client:
        await client.send(SECOND)
        await client.send("bad")
        await receive(client)
        hurry.set()
        async with asyncio.timeout(30):
            await drain(stage.listener, stage.admission, 3600, hurry)
        assert (await receive(client))["is_final"]


async def test_nobody_is_let_in_once_the_server_ends_for_whatever_reason(stage, eventually):
    stage.engine.gate.clear()
    await stage.start()
    async with stage.connect() as client:
        await client.send(SECOND)
        await eventually(lambda: stage.value("asr_sessions", state="speaking") == 1)
        stopping = asyncio.create_task(stage.listener.stop())
        await eventually(lambda: stage.value("asr_received_items_total", **{"class": "file"}) == 1)
        with pytest.raises(InvalidStatus) as caught:
            await stage.connect()
        assert caught.value.response.status_code == 503
        stage.engine.gate.set()
        assert (await receive(client))["text"] == "16000 samples"
        assert await closed(client) == 1001
        async with asyncio.timeout(30):
            await stopping


async def test_each_open_session_has_one_state(stage, eventually):
    await stage.start()
    async with stage.connect() as speaking, stage.connect():
        await speaking.send(SECOND)
        await eventually(lambda: stage.value("asr_sessions", state="speaking") == 1)
        assert stage.value("asr_sessions", state="idle") == 1
        assert stage.value("asr_sessions", state="draining") == 0
