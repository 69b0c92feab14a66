"""The whole server as a process, with the demo models: what only the real thing can show."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import websockets
from funasr_client import async_funasr_client
from websockets.exceptions import ConnectionClosed, InvalidStatus

END = json.dumps({"is_speaking": False, "is_end": True})
START_S, WAIT_S = 120.0, 60.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_server):
    """A server that the tests of this module share; they run in order and leave it serving."""
    server = new_server(tmp_path_factory.mktemp("server"), "--drain-timeout=30").wait_listening()
    early = server.get("/livez"), server.get("/readyz")
    assert early == ((200, "live\n"), (503, "not ready: models are being loaded\n"))
    yield server.wait_ready()
    server.kill()


async def speak(client, audio, name="a"):
    await client.send(json.dumps({"mode": "offline", "wav_name": name, "is_speaking": True}))
    data = audio.tobytes()
    for start in range(0, len(data), 9600):
        await client.send(data[start : start + 9600])


async def receive(client):
    async with asyncio.timeout(WAIT_S):
        return json.loads(await client.recv())


def plain(text):
    return re.sub(r"\W", "", text).lower()


async def test_many_clients_at_once_get_the_right_words_in_batches(server, utterances, cer):
    async def recognise(utterance):
        async with async_funasr_client(
            server.url, mode="offline", wav_name=utterance.name, blocking=True
        ) as client:
            data = utterance.audio.tobytes()
            for start in range(0, len(data), 9600):
                await client.send(data[start : start + 9600])
            await client.signal_close()
            return await client.recv(WAIT_S)

    answers = await asyncio.gather(*(recognise(utterance) for utterance in utterances))
    assert [answer["wav_name"] for answer in answers] == [found.name for found in utterances]
    assert all(answer["is_final"] and answer["mode"] == "offline" for answer in answers)
    pairs = [(u.text, plain(a["text"])) for u, a in zip(utterances, answers, strict=True)]
    assert cer(pairs) <= 0.05
    batches = server.metric('asr_batch_size_count{stage="asr"}')
    # on cores that others use the clients are slower than the engine: then hardly any wait together
    assert server.metric('asr_batch_size_sum{stage="asr"}') > batches


async def test_the_words_of_a_file_come_with_their_times(server, utterances):
    first, second = utterances[1].audio, utterances[3].audio
    audio = np.concatenate([first, np.zeros(32_000, np.int16), second])
    async with websockets.connect(server.url) as client:
        await speak(client, audio)
        await client.send(END)
        answer = await receive(client)
    times = json.loads(answer["timestamp"])
    assert times == [stamp for part in answer["stamp_sents"] for stamp in part["ts_list"]]
    said = [
        "".join(word for word in part["text_seg"].split()) + part["punc"]
        for part in answer["stamp_sents"]
    ]
    assert "".join(said) == answer["text"].replace(" ", "")
    assert [(part["start"], part["end"]) for part in answer["stamp_sents"]] == [
        (part["ts_list"][0][0], part["ts_list"][-1][1]) for part in answer["stamp_sents"]
    ]
    edges = [edge for stamp in times for edge in stamp]
    assert edges == sorted(edges)
    pause = len(first) // 16, len(first) // 16 + 2000
    before = len(utterances[1].text)
    assert edges[2 * before - 1] < pause[0] + 1000 < edges[2 * before]
    assert pause[1] <= edges[2 * before]
    assert edges[-1] <= len(audio) // 16


async def test_utterances_share_a_connection_and_silence_has_no_words(server, utterances):
    async with websockets.connect(server.url) as client:
        silence = utterances[0].audio * 0
        for audio in (utterances[1].audio, silence, utterances[1].audio):
            await speak(client, audio)
            await client.send(END)
        messages = [await receive(client) for _ in range(6)]
    texts = [message["text"] for message in messages[::2]]
    assert texts[0] == texts[2] != ""
    assert texts[1] == ""
    assert all(m["received_ms"] == m["processed_ms"] > 0 for m in messages[1::2])


async def test_unknown_modes_and_live_files_are_refused_and_the_connection_lives(
    server, utterances
):
    async with websockets.connect(server.url) as client:
        for start in ({"mode": "2pass", "wav_format": "mp3"}, {"mode": "3pass"}):
            await client.send(json.dumps(start))
            assert (await receive(client))["error"]
            await client.send(END)
            assert (await receive(client))["is_final"] is True
            assert (await receive(client))["is_final"] is False
        await client.send(json.dumps({"mode": "offline", "wav_format": "pcm"}))
        await speak(client, utterances[2].audio)
        await client.send(END)
        assert (await receive(client))["text"]


async def recognize_all(server, utterances, audio, **options):
    """Send each utterance, as `audio` makes it, over one connection; return their words."""
    async with websockets.connect(server.url) as client:
        for utterance in utterances:
            await client.send(json.dumps({"mode": "offline", **options}))
            await client.send(audio(utterance).tobytes())
            await client.send(END)
        answers = [await receive(client) for _ in range(2 * len(utterances))]
    return [plain(answer["text"]) for answer in answers[::2]]


async def test_telephone_speech_is_heard_as_well_as_speech_without_its_upper_half(
    server, utterances, cer
):
    def halve(utterance):
        return soxr.resample(utterance.audio, 16000, 8000)

    def filter_out(utterance):
        return soxr.resample(halve(utterance), 8000, 16000)

    texts = [utterance.text for utterance in utterances]
    telephone = await recognize_all(server, utterances, halve, audio_fs=8000)
    filtered = await recognize_all(server, utterances, filter_out)
    assert cer(zip(texts, telephone, strict=True)) <= 0.07  # 94 % by FunASR's own server
    assert cer(zip(texts, telephone, strict=True)) <= cer(zip(texts, filtered, strict=True)) + 0.01


async def test_asr_client_brings_the_words_of_a_folder(server, utterances, tmp_path):
    for utterance in utterances[:8]:
        soundfile.write(tmp_path / f"{utterance.name}.wav", utterance.audio, 16000)
    command = [sys.executable, "-m", "asr_server.client", server.url, str(tmp_path)]
    client = await asyncio.create_subprocess_exec(
        *command, "--format=json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    found = {Path(each["file"]).stem: each for each in map(json.loads, out.splitlines())}
    for utterance in utterances[:8]:
        (answer,) = await recognize_all(server, [utterance], lambda each: each.audio)
        assert plain(found[utterance.name]["text"]) == answer
        assert found[utterance.name]["duration_s"] == len(utterance.audio) // 16 / 1000


@pytest.mark.parametrize("audio_format", ["FLAC", "MP3", "OGG"])
async def test_the_words_of_a_file_are_those_of_its_samples(server, utterances, audio_format):
    file = io.BytesIO()
    soundfile.write(file, utterances[4].audio, 16000, format=audio_format)
    async with websockets.connect(server.url) as client:
        await client.send(json.dumps({"wav_format": audio_format.lower()}))
        await client.send(file.getvalue())
        await client.send(END)
        assert plain((await receive(client))["text"]) == utterances[4].text


def test_metrics_tell_who_the_server_is_and_what_it_did(server):
    page = server.get("/metrics")[1]
    info = re.search(r"^asr_server_info\{(.*)\} 1\.0$", page, re.MULTILINE)[1]
    for label in ('asr_namespace="ns"', 'asr_service="svc"', 'asr_pod="pod"', 'model="demo"'):
        assert label in info
    assert server.metric('asr_utterances_total{outcome="ok"}') >= 80
    assert server.metric("asr_engine_busy_seconds_total") > 0
    assert server.metric("asr_event_loop_lag_seconds_count") > 0
    assert 0 <= server.metric("asr_saturation") <= 1


async def test_a_live_change_is_in_force_without_a_restart(server, utterances):
    values = {"generation": 1, "batch_size": 1, "max_wait_ms": 0, "max_sessions": 1}
    server.config.write_text(json.dumps(values))
    server.wait(lambda: server.metric("asr_config_generation") == 1, "generation 1")
    server.wait(lambda: server.sessions() == 0, "everyone gone")
    before = server.metric('asr_batch_size_count{stage="asr"}')
    async with websockets.connect(server.url) as client:
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(server.url)
        assert caught.value.response.status_code == 503
        for _ in range(4):
            await speak(client, utterances[0].audio)
            await client.send(END)
        for _ in range(8):
            await receive(client)
    assert server.metric('asr_batch_size_count{stage="asr"}') == before + 4
    server.config.write_text("{broken")
    server.wait(lambda: server.metric("asr_config_errors_total") == 2, "an error")  # 1: no file yet
    assert server.metric("asr_config_generation") == 1
    server.config.write_text(json.dumps({"generation": 2}))
    server.wait(lambda: server.metric("asr_session_limit") == 200, "the flags again")


async def test_work_survives_the_death_of_the_engine_and_is_answered_once(server, utterances):
    async with websockets.connect(server.url) as client:
        os.kill(server.engine_pid(), signal.SIGSTOP)
        for utterance in utterances[:3]:
            await speak(client, utterance.audio, utterance.name)
            await client.send(END)
        await client.send("not json")  # answered after all that came before
        os.kill(server.engine_pid(), signal.SIGKILL)
        server.wait(lambda: server.get("/readyz")[0] == 503, "not ready")
        assert "engine died" in server.get("/readyz")[1]
        messages = [await receive(client) for _ in range(7)]
    assert [message["wav_name"] for message in messages[:6:2]] == ["000", "001", "002"]
    assert all(message["text"] for message in messages[:6:2])
    assert "must be JSON" in messages[6]["error"]
    server.wait(lambda: server.get("/readyz")[0] == 200, "ready again")
    assert server.metric("asr_engine_restarts_total") == 1


async def test_a_drain_finishes_the_stream_in_flight_and_ends_with_status_0(server, utterances):
    audio = utterances[3].audio
    async with websockets.connect(server.url) as client:
        await speak(client, audio[:16000])
        server.wait(lambda: server.metric('asr_sessions{state="speaking"}') == 1, "speaking")
        server.process.send_signal(signal.SIGTERM)
        server.wait(lambda: server.get("/readyz") == (503, "not ready: draining\n"), "draining")
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(server.url)
        assert caught.value.response.status_code == 503
        await client.send(audio[16000:].tobytes())
        await client.send(END)
        assert (await receive(client))["text"]
        assert (await receive(client))["received_ms"] == len(audio) // 16
        with pytest.raises(ConnectionClosed):
            await receive(client)
        assert client.close_code == 1012
    assert server.wait_exit() == 0
    assert not server.termination_log.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["--model=/nowhere"], 1, r"asr-server: /nowhere is not a directory; .*\n"),
        (["--dtype=int8"], 2, r"asr-server: --dtype: 'int8' is not one of .*\n"),
        ([f"--hotwords={'x' * 65}"], 2, r"asr-server: --hotwords: a word may have 64 .*\n"),
        (["--host=203.0.113.1"], 2, r"asr-server: --probe-port: cannot listen: .*\n"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(launch, arguments, status, line):
    server = launch(*arguments)
    assert server.wait_exit(START_S) == status
    said = [text for text in server.log.read_text().splitlines() if not text.startswith("{")]
    assert re.fullmatch(line, server.termination_log.read_text())
    assert said == [server.termination_log.read_text().strip()]


@pytest.mark.slow
def test_a_signal_while_models_load_ends_with_status_0(launch):
    server = launch().wait_listening()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
