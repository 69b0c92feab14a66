"""FunASR's HTML5 page in headless Chromium: a file, and a microphone that plays one.

On a busy machine the microphone's audio may come late. Then the page puts silence in, in the middle
of words, or audio is lost. So what the page shows is compared with what its frames, sent again, are
answered with; and with what was said, if that is what it sent.
"""

import asyncio
import functools
import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from traffic import replay
from traffic.recording import Client, Speech, silence, speech_bytes

FOLDER = "runtime/html5/static"
PLAYWRIGHT = "playwright==1.65.2"
MP3 = Speech(("003", "071"), "mp3")
SPOKEN = Speech(("003", "071"), "microphone")
NEEDS = {"text": "str", "timestamp": "str or absent"}  # it does JSON.parse(timestamp)
MODES = ["offline", "online", "2pass"]
ENVELOPE_SAMPLES = 160
WHOLE = 0.99  # measured: 1.00 for what came whole, 0.97 at most for what was held up


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
    (connection,) = tap.connections
    sent = connection.audio
    again = connection.recording(client, SPOKEN, sent)
    heard = asyncio.run(replay.replay(again, sent, f"ws://127.0.0.1:{stage.server_port}"))
    times = [round(at_s, 1) for at_s in connection.received_at]
    assert words(shown) == words(heard.words), f"it got {connection.received} at {times} s"
    if not came_whole(sent, speech_bytes(SPOKEN, stage.samples)):
        pytest.skip("left out: the browser held up its microphone, for this machine is too busy")
    stage.assert_words(shown if mode == "online" else read_words(shown), SPOKEN)


def test_speech_that_was_held_up_or_cut_off_did_not_come_whole(stage):
    played = speech_bytes(SPOKEN, stage.samples)
    second = 32_000
    assert came_whole(silence(0.3) + played[9_600:], played)
    assert not came_whole(played[: 2 * second] + silence(0.1) + played[2 * second :], played)
    assert not came_whole(played[: 2 * second] + played[2 * second + 3_200 :], played)
    assert not came_whole(played[: -3 * second], played)  # more than the silence at its end


def words(text):
    """Leave out times and marks."""
    return re.sub(r"[\W\d]", "", text)


def came_whole(sent, played):
    """Say whether the audio that was sent is what was played, but for silence before and after."""
    envelopes = [envelope(np.frombuffer(samples, np.int16)) for samples in (sent, played)]
    shared = np.correlate(*envelopes, "full").max()
    return shared >= WHOLE * np.prod([np.linalg.norm(each) for each in envelopes])


def envelope(samples):
    whole = len(samples) // ENVELOPE_SAMPLES * ENVELOPE_SAMPLES
    return np.abs(samples[:whole].reshape(-1, ENVELOPE_SAMPLES).astype(float)).mean(axis=1)


def read_words(shown):
    """The words of finals, which the page shows in lines that begin with the time of the first."""
    lines = [re.fullmatch(r"(\d+(?:\.\d+)?):(\D+)", line) for line in shown.split()]
    assert len(lines) == 2, shown  # one for each utterance
    assert float(lines[0][1]) + 1.2 < float(lines[1][1])
    return "".join(line[2] for line in lines)
