"""FunASR's Java clients, built with the libraries that their own instructions name."""

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from traffic.recording import Client

POMS = Path(__file__).parent / "java"
CLIENT = "runtime/java/FunasrWsClient.java"
HTTP2WS = "runtime/java/java_http2ws_src/http"
MODES = ["offline", "online", "2pass"]
START_S, ANSWER_S = 60, 30


@pytest.fixture(scope="module")
def maven(tool, tmp_path_factory):
    """Get the libraries of a project, compile what it holds, and give its class path."""
    mvn = tool("mvn", "maven")
    tool("javac", "openjdk-17-jdk-headless")

    def build(project: Path) -> str:
        command = [mvn, "-q", "-B", "compile", "dependency:build-classpath", "-Dmdep.outputFile=cp"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stdout
        return f"{project}/target/classes:{(project / 'cp').read_text()}"

    return build


@pytest.fixture(scope="module")
def websocket_client(maven, source, tmp_path_factory):
    project = tmp_path_factory.mktemp("java")
    shutil.copy(POMS / "pom.xml", project)
    package = project / "src/main/java/websocket"
    package.mkdir(parents=True)
    shutil.copy(source.folder / CLIENT, package)
    return maven(project)


@pytest.mark.parametrize("mode", MODES)
def test_websocket_client(stage, source, run, websocket_client, mode):
    client = Client(
        *("FunasrWsClient.java", source.version, mode, "is_final", CLIENT),
        within_s=60.0 if mode == "offline" else 3.0,
    )
    with stage.tapped(f"java-{mode}", client) as tap:
        shown = run(
            *("java", "-cp", websocket_client, "websocket.FunasrWsClient", "--host=127.0.0.1"),
            *(f"--port={tap.port}", f"--audio_in={stage.wav()}", f"--mode={mode}"),
            "--hotwords=阳台 20",
        ).stdout
    received = [json.loads(line) for line in re.findall(r"received: (.*)", shown)]
    assert re.findall(r" text: (.*)", shown) == [message["text"] for message in received]
    second = [message["text"] for message in received if message["mode"] != "2pass-online"]
    stage.assert_words("".join(second))


@pytest.fixture(scope="module")
def http2ws(maven, source, tmp_path_factory):
    """The gateway, compiled: a quotation mark and an import, without which it cannot be, added."""
    project = tmp_path_factory.mktemp("http2ws")
    shutil.copytree(source.folder / HTTP2WS / "src", project / "src")
    shutil.copy(POMS / "http2ws/pom.xml", project)
    for file in project.glob("src/main/java/**/impl/*.java"):
        text = file.read_text(encoding="utf-8").replace('hotWords");', "hotWords);")
        value = "import org.springframework.beans.factory.annotation.Value;\n"
        file.write_text(text.replace("import org.json", value + "import org.json", 1))
    return maven(project)


def test_http_gateway(stage, source, http2ws, free_port):
    client = Client(
        *("java_http2ws", source.version, "offline", "mode offline", HTTP2WS),
        note="does not compile as it is: a stray quotation mark and a missing import were mended",
    )
    log = stage.folder / "log"
    with stage.tapped("java-http2ws-offline", client) as tap:
        command = [
            *("java", "-cp", http2ws, "com.example.funasr_java_client.FunasrJavaClientApplication"),
            *(f"--server.port={free_port}", f"--parameters.fileUrl={stage.folder}/"),
            f"--parameters.serverIpPort=ws://127.0.0.1:{tap.port}",
        ]
        with running(command, log) as wait_for:
            wait_for("Started FunasrJavaClientApplication", START_S)
            post(f"http://127.0.0.1:{free_port}/recognition/testIO", stage.wav())
            answer = wait_for(r"Received message from server: (.*)", ANSWER_S)
    stage.assert_words(json.loads(answer)["text"])


@contextlib.contextmanager
def running(command, log):
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def wait_for(pattern, patience_s):
        deadline = time.monotonic() + patience_s
        while not (found := re.search(pattern, log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        return found[found.lastindex or 0]

    try:
        yield wait_for
    finally:
        process.terminate()
        process.wait()


def post(url, file):
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.read_bytes() + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
        assert answer.status == 200
