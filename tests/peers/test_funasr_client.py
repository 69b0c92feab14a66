"""FunASR's own Python client, as it is in the checkout that FUNASR_SRC names: `make peers`."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CLIENT = Path(os.environ["FUNASR_SRC"]).resolve() / "runtime/python/websocket/funasr_wss_client.py"
PROCESSES = 4
START_S, SPEAK_S = 90, 120


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the demo models, ready to serve."""
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "asr_server", "--host=127.0.0.1", "--port=0", "--probe-port=0"]
    with log.open("w") as output, subprocess.Popen(command, stderr=output) as server:
        try:
            listening = wait_for(lambda: listening_line(log), server, log)
            probes = f"http://127.0.0.1:{listening['probe_port']}/readyz"
            wait_for(lambda: answers(probes), server, log)
            yield listening["port"]
        finally:
            server.terminate()


def wait_for(found: Callable, server: subprocess.Popen, log: Path):
    end = time.monotonic() + START_S
    while not (result := found()):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return result


def listening_line(log: Path) -> dict | None:
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return next((line for line in lines if line["message"] == "listening"), None)


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except urllib.error.HTTPError:
        return False


def test_their_client_hears_the_words_of_several_processes(port, utterances, cer, tmp_path):
    spoken = {each.name: each for each in utterances[: 4 * PROCESSES]}
    for each in spoken.values():
        with wave.open(str(tmp_path / f"{each.name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(each.audio.tobytes())
    listed = [f"{name} {tmp_path / name}.wav\n" for name in spoken]
    (tmp_path / "speech.scp").write_text("".join(listed))

    done = subprocess.run(
        [
            *(sys.executable, CLIENT, "--host=127.0.0.1", f"--port={port}", "--ssl=0"),
            *("--mode=offline", "--audio_in=speech.scp", f"--thread_num={PROCESSES}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SPEAK_S,
    )

    heard: dict[str, str] = dict.fromkeys(spoken, "")
    for file in tmp_path.glob("asr_logs/*/events.jsonl"):
        for event in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            heard[event["wav_name"]] += event["text"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(heard.values()), done.stdout + done.stderr
    assert cer((spoken[name].text, re.sub(r"\W", "", text)) for name, text in heard.items()) <= 0.05
