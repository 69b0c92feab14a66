"""Clients that are packages: funasr-client (PyPI and npm), funasr-python, FunASR's funasr_api."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from traffic.recording import Client

HERE = Path(__file__).parent
NPM_CLIENT = "0.1.2"
FUNASR_PYTHON = "0.1.5"
COMMAND = "import asyncio; from funasr_client.cli import main; asyncio.run(main())"
API = "runtime/funasr_api"
MODES = ["offline", "online", "2pass"]


@pytest.mark.parametrize("mode", MODES)
def test_funasr_client_of_pypi(stage, run, mode):
    version = importlib.metadata.version("funasr-client")
    client = Client(
        *("funasr-client (PyPI)", version, mode, "is_final", "funasr_client/file_asr.py"),
        needs={"timestamp": "str or absent"},
        note="its asynchronous client: close() of the other waits for a lock that it holds itself",
    )
    with stage.tapped(f"pypi-funasr-client-{mode}", client) as tap:
        url = f"ws://127.0.0.1:{tap.port}"
        shown = run(sys.executable, HERE / "pypi.py", url, stage.wav(), mode).stdout
    stage.assert_words(second_pass(map(json.loads, shown.splitlines())))


@pytest.mark.parametrize("mode", MODES)
def test_funasr_client_of_npm(stage, run, tool, cache, mode):
    npm, node = tool("npm", "npm"), tool("node", "nodejs")
    folder = cache / f"npm-funasr-client-{NPM_CLIENT}"
    if not folder.exists():
        install = [npm, "install", "--silent", "--prefix", folder, f"funasr-client@{NPM_CLIENT}"]
        subprocess.run(install, check=True, timeout=300)
    client = Client(
        *("funasr-client (npm)", NPM_CLIENT, mode, "is_final", "dist/esm/index.js"),
        needs={"timestamp": "str or absent"},
        note="in Node 20, whose WebSocket has to be switched on",
    )
    with stage.tapped(f"npm-funasr-client-{mode}", client) as tap:
        package = folder / "node_modules/funasr-client/dist/esm/index.js"
        url = f"ws://127.0.0.1:{tap.port}"
        command = (node, "--experimental-websocket", "--no-warnings", HERE / "npm.mjs", package)
        shown = run(*command, url, stage.wav(), mode).stdout
    stage.assert_words(second_pass(map(json.loads, shown.splitlines())))


@pytest.mark.parametrize("mode", MODES)
def test_funasr_python(stage, run, uv, mode):
    client = Client(
        *("funasr-python (PyPI)", FUNASR_PYTHON, mode, "is_final", "funasr_client/protocols.py"),
        needs={"timestamp": "str or absent"},
        note="its command cannot start (a coroutine as entry point): its main was called instead; "
        "its final result is the text of the last message, the others it shows as partial",
    )
    with stage.tapped(f"pypi-funasr-python-{mode}", client) as tap:
        package = f"--with=funasr-python=={FUNASR_PYTHON}"
        program = (
            *(uv, "run", "-q", "--no-project", "--python=3.11", package, "python", "-c", COMMAND),
            *(f"--server=ws://127.0.0.1:{tap.port}", f"--mode={mode}"),
        )
        shown = run(*program, "recognize", "--streaming", stage.wav(), timeout_s=500).stdout
    printed = re.findall(r"^  (?:Partial|Final): (.*)", shown, re.MULTILINE)
    assert printed[-1] == tap.received[-1]["text"].strip()
    stage.assert_words(second_pass(tap.received))


@pytest.mark.parametrize("how", ["buffer", "stream"])
def test_funasr_api(stage, source, run, uv, how):
    client = Client(
        *("funasr_api", source.version, "2pass", "is_final", f"{API}/funasr_core.py"),
        needs={"is_final": "bool", "mode": "str", "text": "str"},
        within_s=10.0,
        note="the whole file, header included, without a pause; chunk_size [0, 10, 5]",
    )
    with stage.tapped(f"funasr-api-{how}", client) as tap:
        packages = ("--with=websocket-client==1.9.0", "--with=numpy==2.2.6")
        python = (uv, "run", "-q", "--no-project", "--python=3.11", *packages)
        url = f"ws://127.0.0.1:{tap.port}"
        shown = run(*python, HERE / "api.py", source.folder / API, url, stage.wav(), how).stdout
    stage.assert_words(re.findall("^heard (.*)", shown, re.MULTILINE)[-1])


def second_pass(messages):
    return "".join(each["text"] for each in messages if each["mode"] != "2pass-online")
