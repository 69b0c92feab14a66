"""FunASR's C++ clients, built from their sources without the inference library beside them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from traffic.recording import Client, Speech

FOLDER = "runtime/websocket/bin"
HEADERS = {
    "websocketpp/client.hpp": "libwebsocketpp-dev",
    "asio.hpp": "libasio-dev",
    "nlohmann/json.hpp": "nlohmann-json3-dev",
    "glog/logging.h": "libgoogle-glog-dev",
    "portaudio.h": "portaudio19-dev",
    "x86_64-linux-gnu/libavformat/avformat.h": "libavformat-dev libavcodec-dev libswresample-dev",
    "openssl/ssl.h": "libssl-dev",
}
MODES = ["offline", "online", "2pass"]
MP3 = Speech(("003", "071"), "mp3")
ONE_BY_ONE = Speech(("003", "071", "012"), "files")


@pytest.fixture(scope="module")
def clients(source, tool, cache):
    tool("g++", "g++")
    if missing := [HEADERS[h] for h in HEADERS if not (Path("/usr/include") / h).exists()]:
        pytest.skip(f"left out: apt-get install {' '.join(missing)}")
    folder = cache / f"cpp-{source.version.split()[-1]}"
    if not (folder / "funasr-wss-client-2pass").exists():
        build = Path(__file__).parent / "cpp/build"
        subprocess.run([build, source.folder, folder], check=True, timeout=1200)
    return folder


def arguments(port, audio):
    return (
        *("--server-ip", "127.0.0.1", "--port", str(port), "--is-ssl", "0"),
        *("--wav-path", audio),
    )


def messages(shown):
    return [json.loads(line) for line in re.findall(r"on_message = (.*)", shown)]


def test_offline_client_with_several_files_on_one_connection(stage, source, run, clients):
    client = Client(
        *("funasr-wss-client", source.version, "offline", "a message for each end"),
        f"{FOLDER}/funasr-wss-client.cpp",
    )
    listed = [f"{n} {stage.wav(Speech((n,)), n)}\n" for n in ONE_BY_ONE.utterances]
    (stage.folder / "speech.scp").write_text("".join(listed))
    (stage.folder / "hotwords").write_text("阳台 20\n", encoding="utf-8")
    with stage.tapped("cpp-offline", client, ONE_BY_ONE) as tap:
        said = arguments(tap.port, "speech.scp")
        shown = run(clients / "funasr-wss-client", *said, "--hotword", "hotwords").stdout
    heard = messages(shown)
    assert [message["wav_name"] for message in heard] == list(ONE_BY_ONE.utterances)
    stage.assert_words("".join(message["text"] for message in heard), ONE_BY_ONE)


def test_offline_client_with_an_mp3_file(stage, source, run, clients):
    client = Client(
        *("funasr-wss-client", source.version, "offline", "a message for each end"),
        f"{FOLDER}/funasr-wss-client.cpp",
    )
    with stage.tapped("cpp-mp3", client, MP3) as tap:
        shown = run(clients / "funasr-wss-client", *arguments(tap.port, stage.mp3())).stdout
    stage.assert_words("".join(message["text"] for message in messages(shown)))


@pytest.mark.parametrize("mode", MODES)
def test_2pass_client(stage, source, run, clients, mode):
    client = Client(
        *("funasr-wss-client-2pass", source.version, mode, "is_final"),
        f"{FOLDER}/funasr-wss-client-2pass.cpp",
    )
    with stage.tapped(f"cpp-2pass-{mode}", client) as tap:
        said = arguments(tap.port, stage.wav())
        shown = run(clients / "funasr-wss-client-2pass", *said, "--mode", mode).stdout
    texts = [m["text"] for m in messages(shown) if m["mode"] != "2pass-online"]
    stage.assert_words("".join(texts))
