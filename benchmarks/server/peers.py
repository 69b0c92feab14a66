"""FunASR's own servers as processes of their own, with the demo models."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from asr_server.models.loading import demo_directory
from benchmarks.server.sending import Sent
from benchmarks.server.talks import Talk

START_S = 600.0
SCRIPT = Path("runtime/python/websocket/funasr_wss_server.py")
NO_SOURCE = "FUNASR_SRC names no checkout of FunASR: funasr_wss_server.py is only there"


def run_automodel(models: Path, talks: Sequence[Talk], *options: str) -> dict[str, Any]:
    """Recognise talks with `AutoModel`; return `took_s` of each repetition, and `heard`."""
    with tempfile.TemporaryDirectory() as folder:
        for talk in talks:
            talk.write(Path(folder))
        command = [sys.executable, "-m", "benchmarks.server.automodel", str(models), folder]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"AutoModel failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def funasr_server() -> Iterator[str]:
    """Run funasr-server; give the address of its transcriptions."""
    port = free_port()
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with _running("funasr-server", *arguments, "--model", "paraformer"):
        _wait_for_port(port)
        yield f"http://127.0.0.1:{port}/v1/audio/transcriptions"


def post_talks(url: str, talks: Sequence[Talk], at_a_time: int) -> Sent:
    """Send files to funasr-server, many at a time."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_a_time) as pool:
        bodies = [_make_form(talk.write(Path(folder))) for talk in talks]
        began = time.monotonic()
        texts = list(pool.map(lambda body: _post(url, *body), bodies))
        took_s = time.monotonic() - began
    return Sent(took_s, {talk.name: text for talk, text in zip(talks, texts, strict=True)})


def find_stock_script() -> Path | None:
    """Return FunASR's WebSocket server; None where FUNASR_SRC does not name its source."""
    source = os.environ.get("FUNASR_SRC", "")
    path = Path(source, SCRIPT)
    return path if source and path.exists() else None


@contextlib.contextmanager
def stock_server(script: Path) -> Iterator[str]:
    """Run funasr_wss_server.py; give its address."""
    port, models = free_port(), demo_directory()
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--ngpu", "0"]
    arguments += ["--ncpu", str(os.cpu_count()), "--certfile", ""]
    for flag, name in (("asr_model_online", "asr_online"), ("vad_model", "vad")):
        arguments += [f"--{flag}", str(models / name)]
    arguments += ["--punc_model", str(models / "punc")]
    with _running(str(script), *arguments):
        _wait_for_port(port)
        yield f"ws://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(program: str, *arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.server.local_models"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, str(demo_directory()), program, *arguments], stdout=log, stderr=log
        )
        try:
            yield
        except RuntimeError as error:
            log.seek(0)
            said = log.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{program}: {error}: {said}") from None
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"does not listen after {START_S:.0f} s")


def _make_form(path: Path) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nparaformer\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _post(url: str, body: bytes, content_type: str) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return str(json.load(answer)["text"])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
