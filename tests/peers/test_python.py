"""FunASR's Python clients: the current one, those before the acknowledgement, and funasr_api."""

import json
import re
import sys

import pytest

from traffic.recording import Client, Speech

PATH = "runtime/python/websocket/funasr_wss_client.py"
BEFORE_ACKNOWLEDGEMENTS = "a397d0b27"  # 2026-02-04, the last version that takes any final
OF_2024 = "dfcc5d47587d3e793cbfec2e9509c0e9a9e1732c"  # 2024-07-02, the older repository's last
PROCESSES = 4
MP3 = Speech(("003", "071"), "mp3")
MODES = ["offline", "online", "2pass"]


def arguments(port, audio_in, mode="offline"):
    return (
        *("--host=127.0.0.1", f"--port={port}", "--ssl=0"),
        *(f"--mode={mode}", f"--audio_in={audio_in}"),
    )


def events(folder):
    for file in folder.glob("asr_logs/*/events.jsonl"):
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("mode", MODES)
def test_current_client(stage, source, run, mode):
    client = Client("funasr_wss_client.py", source.version, mode, "acknowledged", PATH)
    with stage.tapped(f"python-{mode}", client) as tap:
        run(sys.executable, source.folder / PATH, *arguments(tap.port, stage.wav(), mode))
    texts = {"offline": "", "online": ""}
    for event in events(stage.folder):
        texts[event["mode"].removeprefix("2pass-")] += event["text"]
    stage.assert_words(texts["offline"] or texts["online"])


def test_current_client_with_an_mp3_file(stage, source, run):
    client = Client("funasr_wss_client.py", source.version, "offline", "acknowledged", PATH)
    with stage.tapped("python-mp3", client, MP3) as tap:
        run(sys.executable, source.folder / PATH, *arguments(tap.port, stage.mp3()))
    stage.assert_words("".join(event["text"] for event in events(stage.folder)))


def test_current_client_with_several_processes(stage, source, run):
    names = [f"{number:03}" for number in range(4 * PROCESSES)]
    listed = [f"{name} {stage.wav(Speech((name,)), name)}\n" for name in names]
    (stage.folder / "speech.scp").write_text("".join(listed))
    said = arguments(stage.server_port, "speech.scp")
    run(sys.executable, source.folder / PATH, *said, f"--thread_num={PROCESSES}")
    heard = dict.fromkeys(names, "")
    for event in events(stage.folder):
        heard[event["wav_name"]] += event["text"]
    stage.assert_words("".join(heard.values()), Speech(tuple(names)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "commit"), [("2026", BEFORE_ACKNOWLEDGEMENTS), ("2024", OF_2024)])
def test_older_clients(stage, source, run, name, commit, mode):
    program = stage.folder / "funasr_wss_client.py"
    program.write_text(source.at(commit, PATH), encoding="utf-8")
    patience = {"2026": 12.0, "2024": 2.0}[name] if mode != "offline" else 60.0
    client = Client(
        *("funasr_wss_client.py", f"FunASR {commit[:9]}", mode),
        *("mode offline" if mode == "offline" else "is_final", PATH, patience),
        needs={"text": "str"},
    )
    with stage.tapped(f"python-{name}-{mode}", client) as tap:
        said = arguments(tap.port, stage.wav(), mode)
        shown = run(sys.executable, program, *said, TERM="dumb").stdout
    assert not re.search(r"Exception: (?!sent 1000)", shown), shown
    printed = re.findall(r"pid0_0: (?:demo: )?(.*)", shown)[-1]
    if mode == "offline":
        stage.assert_words_and_times(printed)
    else:
        stage.assert_words(printed)
