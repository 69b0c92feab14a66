"""asr-client over real sockets: against our listener, and against servers that behave badly."""

import asyncio
import contextlib
import http
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import types
import wave

import pytest
import websockets

from asr_server.client import attempts, exchange, main, microphone
from asr_server.client.inputs import UnreadableError
from asr_server.client.settings import parse_settings

SECOND = b"\x01\x00" * 16000


@pytest.fixture
def folder(tmp_path):
    """Three files of one, two and three seconds."""
    for seconds in (1, 2, 3):
        with wave.open(str(tmp_path / f"{seconds}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(SECOND * seconds)
    return tmp_path


@pytest.fixture
async def scripted():
    """Start a server that does with each connection what a function says."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handle, **options):
            server = await stack.enter_async_context(
                websockets.serve(handle, "127.0.0.1", 0, ping_interval=None, **options)
            )
            return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start


async def run(*arguments):
    async with asyncio.timeout(30):
        return await main.run(parse_settings([str(each) for each in arguments]))


async def test_files_of_a_folder_are_printed_with_their_names(stage, folder, capsys):
    await stage.start()
    assert await run(stage.url, folder) == 0
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == [f"{folder}/{n}.wav: {n * 16000} samples" for n in (1, 2, 3)]
    assert "[3/3]" in err
    assert "2.0 s of audio" in err


async def test_one_file_is_its_text_alone_and_quiet_is_quiet(stage, folder, capsys):
    await stage.start()
    assert await run(stage.url, folder / "1.wav", "--quiet") == 0
    assert capsys.readouterr() == ("16000 samples\n", "")


async def test_names_need_not_be_utf_8(stage, folder, tmp_path, capsys):
    await stage.start()
    named = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(named)
    (folder / "1.wav").rename(os.fsdecode(os.path.join(named, b"\xe9.wav")))
    out = tmp_path / "out"
    assert await run(stage.url, os.fsdecode(named), "--output", out, "--format=txt,json") == 0
    assert sorted(os.listdir(os.fsencode(out))) == [b"\xe9.json", b"\xe9.txt"]
    found = json.loads((out / os.fsdecode(b"\xe9.json")).read_text())
    assert found["text"] == "16000 samples"
    assert "[1/1]" in capsys.readouterr().err


async def test_outputs_are_written_in_every_format_and_not_twice(stage, folder, tmp_path, capsys):
    await stage.start()
    out = tmp_path / "out"
    arguments = (stage.url, folder, "--output", out, "--format=txt,json,srt,vtt")
    assert await run(*arguments) == 0
    assert len(list(out.iterdir())) == 12
    assert (out / "2.txt").read_text() == "32000 samples\n"
    found = json.loads((out / "2.json").read_text())
    assert found["segments"] == [{"start_s": 0.0, "end_s": 2.0, "text": "32000 samples"}]
    assert (out / "3.srt").read_text() == "1\n00:00:00,000 --> 00:00:03,000\n48000 samples\n"
    assert (out / "1.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")
    (out / "2.txt").write_text("mine")
    assert await run(*arguments) == 0
    assert (out / "2.txt").read_text() == "mine"
    assert "is done already (--overwrite" in capsys.readouterr().err
    assert await run(*arguments, "--overwrite") == 0
    assert (out / "2.txt").read_text() == "32000 samples\n"


async def test_files_are_sent_several_at_a_time_and_not_more(stage, folder, eventually):
    stage.engine.gate.clear()
    await stage.start()
    task = asyncio.create_task(run(stage.url, folder, "--jobs=2"))
    await eventually(lambda: stage.value("asr_received_items_total", **{"class": "file"}) == 2)
    assert stage.admission.sessions == 2
    stage.engine.gate.set()
    assert await task == 0


async def test_a_full_server_is_knocked_at_again(stage, folder, capsys, eventually):
    stage.admission.limit(1)
    await stage.start()
    async with stage.connect():
        task = asyncio.create_task(run(stage.url, folder / "1.wav"))
        await eventually(lambda: stage.value("asr_refused_sessions_total", reason="full") == 1)
    assert await task == 0
    assert "All sessions of this server are taken; trying again in 2 s" in capsys.readouterr().err


async def test_a_server_that_stays_full_ends_it(stage, folder):
    stage.admission.limit(1)
    await stage.start()
    async with stage.connect():
        with pytest.raises(main.UnreachableError, match="All sessions of this server are taken"):
            await run(stage.url, folder, "--patience=0")


async def test_what_fails_is_told_and_the_others_are_done(stage, folder, capsys):
    stage.engine.poison = 32000
    await stage.start()
    (folder / "4.mp3").write_bytes(b"ID3 is no WAV file")
    assert await run(stage.url, folder) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "2.wav: FAILED: poisonous audio" in err
    assert "4.mp3: FAILED: no WAV header found" in err


async def test_raw_files_have_the_rate_that_is_said(stage, tmp_path, capsys):
    await stage.start()
    (tmp_path / "a.pcm").write_bytes(SECOND)
    assert await run(stage.url, tmp_path, "--audio-fs=8000", "--quiet") == 0
    assert capsys.readouterr().out == "32000 samples\n"


@pytest.mark.parametrize(("code", "said"), [(1012, "the server restarts"), (1013, "no room")])
async def test_a_file_that_is_cut_off_is_sent_again(scripted, folder, capsys, code, said):
    connections = []

    async def handle(socket):
        connections.append(socket)
        if len(connections) == 1:
            await socket.recv()
            await socket.close(code, "come again")
            return
        heard = 0
        async for message in socket:
            if isinstance(message, bytes):
                heard += len(message)
            elif json.loads(message).get("is_end"):
                text = f"{heard} bytes"
                await socket.send(json.dumps({"mode": "offline", "text": text, "is_final": True}))
                await socket.send(json.dumps({"is_end": True, "is_final": True}))

    assert await run(f"ws://{await scripted(handle)}", folder / "1.wav") == 0
    out, err = capsys.readouterr()
    assert out == "32044 bytes\n"
    assert said in err
    assert "come again); sending it again" in err


async def test_a_server_that_cuts_every_connection_is_given_up(scripted, folder, capsys):
    async def handle(socket):
        await socket.recv()
        socket.transport.abort()

    assert await run(f"ws://{await scripted(handle)}", folder / "1.wav") == 1
    assert f"FAILED: the connection was cut {attempts.ATTEMPTS} times" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "patience_s", "said"),
    [
        (None, 0.1, "no answer for 0.1 s"),
        ("what?", 30, "no JSON"),
        ("[]", 30, "no JSON object"),
    ],
)
async def test_no_answer_and_nonsense_are_told(scripted, folder, capsys, answer, patience_s, said):
    async def handle(socket):
        if answer is not None:
            await socket.send(answer)
        async for _ in socket:
            pass

    url = f"ws://{await scripted(handle)}"
    assert await run(url, folder / "1.wav", f"--timeout={patience_s}") == 1
    assert said in capsys.readouterr().err


async def test_servers_without_acknowledgement_are_understood(
    scripted, folder, capsys, monkeypatch
):
    monkeypatch.setattr(exchange, "QUIET_S", 0.1)

    async def handle(socket):
        async for message in socket:
            if isinstance(message, str) and not json.loads(message)["is_speaking"]:
                await socket.send(json.dumps({"mode": "offline", "text": "嗯", "is_final": False}))

    url = f"ws://{await scripted(handle)}"
    assert await run(url, folder / "2.wav", "--format=srt") == 0
    assert capsys.readouterr().out == "1\n00:00:00,000 --> 00:00:02,000\n嗯\n"


async def test_the_token_and_the_hotwords_are_sent(scripted, folder, capsys):
    seen = {}

    async def handle(socket):
        seen.update(json.loads(await socket.recv()))
        await socket.send(json.dumps({"mode": "offline", "text": "a", "is_final": True}))
        await socket.send(json.dumps({"is_end": True}))
        await socket.wait_closed()

    def admit(socket, request):
        if request.headers.get("Authorization") != "Bearer right":
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "A token is needed.\n")
        return None

    url = f"ws://{await scripted(handle, process_request=admit)}"
    with pytest.raises(main.UnreachableError, match=r"another token .* A token is needed"):
        await run(url, folder / "1.wav", "--token=wrong")
    assert await run(url, folder / "1.wav", "--token=right", "--hotwords=灯光 a") == 0
    assert json.loads(seen["hotwords"]) == {"灯光": 20, "a": 20}
    assert (seen["wav_name"], seen["wav_format"], seen["mode"]) == ("1.wav", "wav", "offline")


async def test_certificates_are_judged(scripted, folder, tmp_path, capsys):
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
        stderr=subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def handle(socket):
        await socket.send(json.dumps({"mode": "offline", "text": "safe", "is_final": True}))
        await socket.send(json.dumps({"is_end": True}))
        await socket.wait_closed()

    address = await scripted(handle, ssl=tls)
    with pytest.raises(main.UnreachableError, match=r"not trusted: self.signed .*--insecure"):
        await run(f"wss://{address}", folder / "1.wav")
    with pytest.raises(main.UnreachableError, match="perhaps it is wss://"):
        await run(f"ws://{address}", folder / "1.wav")
    for trust in ("--insecure", f"--ca={certificate}"):
        assert await run(f"wss://{address}", folder / "1.wav", trust) == 0
    assert capsys.readouterr().out == "safe\n" * 2


async def test_a_live_mode_sends_samples_and_shows_sentences(scripted, folder, capsys):
    heard = []

    async def handle(socket):
        async for message in socket:
            heard.append(message)
            if isinstance(message, str) and not json.loads(message)["is_speaking"]:
                for more in (
                    {"mode": "2pass-online", "text": "打开"},
                    {
                        "mode": "2pass-offline",
                        "text": "打开灯光。",
                        "start_time": 5,
                        "end_time": 800,
                    },
                    {"mode": "2pass-offline", "text": "", "is_final": True},
                    {"mode": "2pass-offline", "is_end": True, "received_ms": 1000},
                ):
                    await socket.send(json.dumps(more))

    url = f"ws://{await scripted(handle)}"
    assert await run(url, folder / "1.wav", "--mode=2pass", "--format=json", "--speed=20") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["segments"] == [{"start_s": 0.005, "end_s": 0.8, "text": "打开灯光。"}]
    assert b"".join(each for each in heard if isinstance(each, bytes)) == SECOND
    assert json.loads(heard[0])["wav_format"] == "pcm"


async def test_the_microphone_prints_sentences_until_it_is_stopped(stage, capsys, monkeypatch):
    async def listen(stop):
        yield SECOND
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()

    monkeypatch.setattr(microphone, "listen", listen)
    await stage.start()
    assert await run(stage.url, "--mic", "--mode=offline") == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("16000 samples\n", "listening; Ctrl-C ends it\n")


class FakeSounddevice(types.ModuleType):
    """PortAudio's interface: a thread of its own calls back with 60 ms at a time."""

    PortAudioError = RuntimeError

    class RawInputStream:
        def __init__(self, *, samplerate, channels, dtype, blocksize, callback):
            assert (samplerate, channels, dtype, blocksize) == (16000, 1, "int16", 960)
            self._thread = threading.Thread(target=self._speak, args=(callback,))
            self._over = threading.Event()

        def __enter__(self):
            self._thread.start()

        def __exit__(self, *_):
            self._over.set()
            self._thread.join()

        def _speak(self, callback):
            while not self._over.wait(0.01):
                callback(memoryview(SECOND[:1920]), 960, None, None)


async def test_what_portaudio_hears_comes_in_pieces_until_it_is_stopped(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice("sounddevice"))
    stop = asyncio.Event()
    heard = []
    async with asyncio.timeout(30):
        async for piece in microphone.listen(stop):
            heard.append(piece)
            if len(heard) == 5:
                stop.set()
    assert heard == [SECOND[:1920]] * 5


async def test_a_microphone_that_cannot_be_opened_is_told(monkeypatch):
    fake = FakeSounddevice("sounddevice")

    def refuse(**_):
        raise fake.PortAudioError("Error querying device -1")

    fake.RawInputStream = refuse
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(UnreadableError, match=r"cannot be opened; is there one\? .Error querying"):
        await anext(microphone.listen(asyncio.Event()))


@pytest.mark.parametrize(
    ("raised", "said"),
    [(ImportError, r"pip install 'asr-server\[microphone\]'"), (OSError, "libportaudio2")],
)
async def test_a_missing_microphone_library_is_named(monkeypatch, raised, said):
    class Finder:
        @staticmethod
        def find_spec(name, *_):
            if name == "sounddevice":
                raise raised

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(UnreadableError, match=said):
        await anext(microphone.listen(asyncio.Event()))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["ws://127.0.0.1:1", "."], 2, "asr-client: .: no audio in this folder"),
        (
            ["ws://127.0.0.1:1", "/bin/true"],
            3,
            "asr-client: ws://127.0.0.1:1: cannot connect: Conn",
        ),
        (["ws://127.0.0.1:1"], 2, "asr-client: name files or folders, or --mic"),
        (["wss://127.0.0.1:1", "/bin/true", "--ca=/nowhere"], 2, "asr-client: --ca /nowhere: "),
    ],
)
def test_the_program_ends_with_one_line_and_a_status(tmp_path, arguments, status, said):
    done = subprocess.run(
        [sys.executable, "-m", "asr_server.client", *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
