"""Other people's programs against a real server, where FUNASR_SRC names a checkout of FunASR.

`make peers` collects them; nothing else does. With RECORD=1 what each client sent is written to
tests/data/traffic, from where a component test replays it.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from traffic import recording
from traffic.recording import Client, Speech
from traffic.server import serving
from traffic.tap import Tap

collect_ignore_glob = [] if "FUNASR_SRC" in os.environ else ["test_*.py"]

SPEAK_S = 120
SPEECH, MP3 = Speech(("003", "071")), Speech(("003", "071"), "mp3")
MAX_CER = 0.1


@pytest.fixture(scope="session")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the demo models, ready to serve."""
    with serving(tmp_path_factory.mktemp("server")) as port:
        yield port


@dataclass(frozen=True, slots=True)
class Source:
    """A checkout of FunASR."""

    folder: Path

    @property
    def version(self) -> str:
        """Its commit, with the release that it is or follows."""
        return "FunASR " + self._git("describe", "--tags", "--always", "--long").strip()

    def at(self, commit: str, path: str) -> str:
        """A file as it was at an older commit; skips the test if the checkout has no history."""
        try:
            return self._git("show", f"{commit}:{path}")
        except subprocess.CalledProcessError:
            pytest.skip(f"left out: the checkout of FUNASR_SRC has no commit {commit}")

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", self.folder, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def source() -> Source:
    """The checkout that FUNASR_SRC names."""
    folder = Path(os.environ["FUNASR_SRC"]).resolve()
    assert (folder / "runtime/python").is_dir(), f"FUNASR_SRC={folder} is no checkout of FunASR"
    assert (folder / ".git").exists(), f"FUNASR_SRC={folder} has no history: git clone it"
    return Source(folder)


@dataclass
class Stage:
    """A folder with speech, and the way to the server."""

    server_port: int
    folder: Path
    samples: dict[str, bytes]
    texts: dict[str, str]
    cer: Callable

    @contextlib.contextmanager
    def tapped(self, name: str, client: Client, speech: Speech = SPEECH) -> Iterator[Tap]:
        """Give a tap to connect to; with RECORD=1, keep what the first connection sent."""
        tap = Tap(self.server_port)
        with tap.listening() as tap.port:
            yield tap
        assert tap.connections, "the client never connected"
        if os.environ.get("RECORD") == "1":
            data = recording.speech_bytes(speech, self.samples)
            recorded = tap.connections[0].recording(client, speech, data)
            recording.write(recorded, recording.TRAFFIC / f"{name}.jsonl")

    def wav(self, speech: Speech = SPEECH, name: str = "speech") -> Path:
        """Write the speech to a file."""
        path = self.folder / f"{name}.wav"
        data = recording.speech_bytes(speech, self.samples)
        path.write_bytes(data if speech.into == "file" else recording.wav_file(data))
        return path

    def mp3(self) -> Path:
        """Write the speech to an MP3 file."""
        path = self.folder / "speech.mp3"
        path.write_bytes(recording.speech_bytes(MP3, self.samples))
        return path

    def assert_words(self, heard: str, speech: Speech = SPEECH) -> None:
        """Assert that a client shows what was said."""
        said = "".join(self.texts[name] for name in speech.utterances)
        error_rate = self.cer([(said, re.sub(r"\W", "", heard))])
        assert error_rate <= MAX_CER, f"said {said}, heard {heard}"

    def assert_words_and_times(self, shown: str) -> None:
        """Assert that a client shows what was said, and behind it when each character was said."""
        words, _, times = shown.partition(" timestamp: ")
        self.assert_words(words)
        assert len(json.loads(times)) == len(re.sub(r"\W", "", words)), shown


@pytest.fixture
def stage(server_port, utterances, cer, tmp_path) -> Stage:
    samples = {each.name: each.audio.tobytes() for each in utterances}
    texts = {each.name: each.text for each in utterances}
    return Stage(server_port, tmp_path, samples, texts, cer)


@pytest.fixture(scope="session")
def tool() -> Callable[[str, str], str]:
    """The path of a program; where it is missing, the client that needs it is left out."""

    def find(name: str, package: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"left out: {name} is missing (apt-get install {package})")
        return found

    return find


@pytest.fixture
def run(tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Run a program to its end and give what it printed; it must succeed."""

    def run(*command: str | Path, cwd: Path = tmp_path, timeout_s: float = SPEAK_S, **environment):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            env=os.environ | environment,
        )
        assert done.returncode == 0, done.stdout
        return done

    return run


@pytest.fixture(scope="session")
def cache() -> Path:
    """A folder that is kept between runs, for what takes long to build or to get."""
    named = os.environ.get("ASR_OPERATOR_CACHE", "~/.cache/asr-operator")
    folder = Path(named).expanduser() / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that `make peers` names, for environments of the programs' own."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "UV names no uv: use make peers"
    return found
