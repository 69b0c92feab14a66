"""FunASR's HTML5 page in headless Chromium: a file, and a microphone that plays one."""

import functools
import http.server
import re
import threading
from pathlib import Path

import pytest

from traffic.recording import Client, Speech

FOLDER = "runtime/html5/static"
PLAYWRIGHT = "playwright==1.65.2"
MP3 = Speech(("003", "071"), "mp3")
SPOKEN = Speech(("003", "071"), "microphone")
NEEDS = {"text": "str", "timestamp": "str or absent"}  # it does JSON.parse(timestamp)
MODES = ["offline", "online", "2pass"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page_url(source):
    """The page, served as its own server does, without TLS."""
    handler = functools.partial(Quiet, directory=source.folder / FOLDER)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture
def show(run, page_url, tool, uv):
    """Let the page recognise speech and give what it shows."""
    chromium = tool("chromium", "chromium")
    program = Path(__file__).parent / "browser.py"

    def show(port, speech, mode):
        python = (uv, "run", "-q", "--no-project", "--python=3.11", f"--with={PLAYWRIGHT}")
        url = f"ws://127.0.0.1:{port}/"
        return run(*python, program, page_url, url, speech, chromium, mode).stdout

    return show


def test_a_file(stage, source, show):
    client = Client(
        *("html5, a file", source.version, "offline", "is_final", f"{FOLDER}/main.js"), needs=NEEDS
    )
    with stage.tapped("html5-file", client) as tap:
        stage.assert_words(read_words(show(tap.port, stage.wav(), "file")))


def test_an_mp3_file(stage, source, show):
    client = Client(
        *("html5, a file", source.version, "offline", "is_final", f"{FOLDER}/main.js"), needs=NEEDS
    )
    with stage.tapped("html5-mp3", client, MP3) as tap:
        stage.assert_words(read_words(show(tap.port, stage.mp3(), "file")))


@pytest.mark.parametrize("mode", MODES)
def test_a_microphone(stage, source, show, mode):
    client = Client(
        *("html5, a microphone", source.version, mode, "is_final", f"{FOLDER}/main.js"),
        within_s=3.0,
        needs=NEEDS,
        note="the samples are those of the utterances; the browser resamples what it plays",
    )
    with stage.tapped(f"html5-microphone-{mode}", client, SPOKEN) as tap:
        shown = show(tap.port, stage.wav(SPOKEN), mode)
    stage.assert_words(shown if mode == "online" else read_words(shown), SPOKEN)


def read_words(shown):
    """The words of finals, which the page shows in lines that begin with the time of the first."""
    lines = [re.fullmatch(r"(\d+(?:\.\d+)?):(\D+)", line) for line in shown.split()]
    assert len(lines) == 2, shown  # one for each utterance
    assert float(lines[0][1]) + 1.2 < float(lines[1][1])
    return "".join(line[2] for line in lines)
