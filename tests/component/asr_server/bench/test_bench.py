"""asr-bench as a user runs it, against scripted servers with real sockets: faults are found."""

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from asr_server.bench import arrivals, corpus, exposition, live, main, session
from asr_server.client.arguments import UsageError

SHORT = sorted(corpus.load_phrases(), key=lambda phrase: phrase.duration_s)[:4]
PHRASES = {phrase.pcm: phrase for phrase in SHORT}

pytestmark = pytest.mark.timeout(60)


@dataclass
class Ear:
    """Hears phrases in a stream that is silent between them, letter for letter."""

    pcm: bytearray = field(default_factory=bytearray)
    heard_bytes: int = 0

    def take(self, frame):
        """Return the phrases that have ended, with their spans."""
        self.pcm += frame
        found = []
        for pcm, phrase in PHRASES.items():
            at = self.pcm.find(pcm, self.heard_bytes)
            if at >= 0:
                self.heard_bytes = at + len(pcm)
                found.append((phrase.text, at // 32, self.heard_bytes // 32))
        return found


@dataclass
class Server:
    """A 2pass server without a model; `spans` as ours tells them, `act` changes a final."""

    spans: bool = True
    refuses: bool = False
    act: dict[int, object] = field(default_factory=dict)
    finals: int = 0

    async def handle(self, socket):
        ear, name = Ear(), ""
        async for message in socket:
            if isinstance(message, bytes):
                for text, start_ms, end_ms in ear.take(message):
                    await self.answer(socket, name, text, (start_ms, end_ms))
                continue
            fields = json.loads(message)
            name = fields.get("wav_name", name)
            if not fields["is_speaking"] and self.spans:
                await socket.send(json.dumps({"mode": "2pass-offline", "is_end": True}))

    async def answer(self, socket, name, text, span_ms):
        reply = {"mode": "2pass-offline", "text": text, "wav_name": name, "is_final": False}
        if not self.spans:
            reply["timestamp"] = [[0, span_ms[1] - span_ms[0]]]  # of the segment, as FunASR's
        else:
            reply |= {"start_time": span_ms[0], "end_time": span_ms[1]}
        for sent in self.act.get(self.finals, lambda reply: [reply])(reply):
            if sent is None:
                await socket.close(1011)
            else:
                await socket.send(json.dumps(sent))
        self.finals += 1

    def admit(self, socket, _request):
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n") if self.refuses else None


@contextlib.contextmanager
def serving(server):
    """Serve in a thread of its own, as asr-bench has a loop of its own; give the address."""
    ready, over = threading.Event(), asyncio.Event()
    found = {}

    async def run():
        async with serve(
            server.handle, "127.0.0.1", 0, process_request=server.admit, compression=None
        ) as listening:
            found["port"] = listening.sockets[0].getsockname()[1]
            found["loop"] = asyncio.get_running_loop()
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield f"ws://127.0.0.1:{found['port']}"
    finally:
        found["loop"].call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(corpus, "load_phrases", lambda *_: SHORT)
    monkeypatch.setattr(session, "PATIENCE_S", 0.0)
    monkeypatch.setattr(session, "RETRY_S", 0.0)
    monkeypatch.setattr(live, "QUIET_S", 0.1)
    monkeypatch.setattr(live, "TAIL_S", 0.12)
    monkeypatch.setattr(arrivals, "CROWD_S", 0.3)


def bench(url, *arguments):
    return main.main([url, "--sessions=2", "--duration=1", "--timeout=0.2", "--quiet", *arguments])


@pytest.mark.parametrize("spans", [True, False])
def test_all_that_is_said_is_heard_in_time(spans, tmp_path, capsys):
    written, drawn = tmp_path / "bench.json", tmp_path / "bench.png"
    with serving(Server(spans=spans)) as url:
        assert bench(url, f"--json={written}", f"--picture={drawn}") == main.OK
    (trial,) = json.loads(written.read_text())["trials"]
    account = trial["account"]
    assert account["sent"] == account["received"] == 2
    assert (account["cer"], trial["faults"], trial["sessions"]) == (0, [], 2)
    assert trial["p95_s"] < 0, "the script knows the end without waiting for silence"
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert "1 of 1 trials hold (p95 within 500 ms); mode 2pass" in capsys.readouterr().out


def drop(_reply):
    return []


def double(reply):
    return [reply, reply]


def swap(reply):
    texts = [phrase.text for phrase in PHRASES.values() if phrase.text != reply["text"]]
    return [reply | {"text": texts[0]}]


def babble(reply):
    return [["no object"], reply]


def cut(_reply):
    return [None]


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (drop, "1 lost"),
        pytest.param(double, "1 doubled", marks=pytest.mark.slow),  # each takes seconds of speech
        pytest.param(babble, "1 doubled", marks=pytest.mark.slow),
        pytest.param(swap, "CER", marks=pytest.mark.slow),
        pytest.param(cut, "1 cut", marks=pytest.mark.slow),
    ],
)
def test_faults_are_found(act, fault, capsys):
    with serving(Server(act={1: act})) as url:
        assert bench(url) == main.NOT_MET
    assert fault in capsys.readouterr().err


@pytest.mark.slow
def test_the_largest_number_is_looked_for(capsys):
    with serving(Server()) as url:
        arguments = [url, "--first=1", "--most=3", "--duration=1", "--quiet", "--objective-ms=9"]
        assert main.main(arguments) == main.OK
    assert "sessions within the objective (p95 within 9 ms): 3;" in capsys.readouterr().out


def test_a_server_that_is_full_or_not_there_is_told(capsys):
    with serving(Server(refuses=True)) as url:
        assert bench(url, "--patience=0") == main.UNREACHABLE
        assert "full" in capsys.readouterr().err
    assert bench(url) == main.UNREACHABLE
    assert capsys.readouterr().err == f"asr-bench: {url}: cannot connect: Connection refused\n"


def test_metrics_that_are_not_there_are_told_before_anything_is_said(capsys):
    server = Server()
    with serving(server) as url:
        assert bench(url, "--metrics-url=http://127.0.0.1:1/metrics") == main.USAGE
    assert "no metrics there" in capsys.readouterr().err
    assert server.finals == 0


def test_metrics_that_are_gone_late_end_no_search(monkeypatch, capsys):
    pages = iter([{}])

    def fetch_page(url):
        if (page := next(pages, None)) is None:
            raise UsageError(f"--metrics-url {url}: no metrics there")
        return page

    monkeypatch.setattr(exposition, "fetch_page", fetch_page)
    with serving(Server()) as url:
        assert bench(url, "--metrics-url=http://x/metrics") == main.OK
    out, err = capsys.readouterr()
    assert "1 of 1 trials hold" in out
    assert "no metrics there" in err


def test_what_was_tried_before_an_interruption_is_told_and_written(monkeypatch, tmp_path, capsys):
    written, run_trial = tmp_path / "bench.json", main.run_trial
    trials = iter([run_trial])

    def run_or_interrupt(*arguments):
        if (run := next(trials, None)) is None:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(main, "run_trial", run_or_interrupt)
    with serving(Server()) as url:
        arguments = [url, "--sessions=1,2", "--duration=1", "--quiet", f"--json={written}"]
        assert main.main(arguments) == main.INTERRUPTED
    found = json.loads(written.read_text())
    assert ([each["sessions"] for each in found["trials"]], found["complete"]) == ([1], False)
    assert "interrupted, so far: 1 of 1 trials hold" in capsys.readouterr().out
