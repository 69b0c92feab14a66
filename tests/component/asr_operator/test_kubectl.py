"""The plugin as a process, with a kubectl that answers what a test tells it to."""

import contextlib
import json
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from asr_operator.kubectl import main
from asr_operator.kubectl.failure import PluginError

ROOT = Path(__file__).parents[3]
PLUGIN = Path(sys.executable).parent / "kubectl-asr"


@pytest.fixture
def plugin(tmp_path):
    """Run the plugin; kubectl notes how it is called, and answers."""

    def run(*arguments, says="", fails_with=None):
        kubectl = tmp_path / "kubectl"
        answer = tmp_path / "answer"
        answer.write_text(fails_with or says)
        kubectl.write_text(
            f'#!/bin/sh\necho "$@" >{tmp_path}/called\n'
            + (f"cat {answer} >&2; exit 1\n" if fails_with else f"cat {answer}\n")
        )
        kubectl.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "COLUMNS": "100"}
        return subprocess.run([PLUGIN, *arguments], capture_output=True, text=True, env=environment)

    return run


def refuse(*arguments):
    """Return why there is no simulation, asked without a process: that starts slowly."""
    with pytest.raises(PluginError) as refused:
        main.run(["simulate", *arguments], datetime.now(UTC), 100)
    return str(refused.value)


@pytest.fixture
def called(tmp_path):
    return lambda: (tmp_path / "called").read_text().split()


def service(name, namespace="speech"):
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "spec": {"model": {"demo": {}}},
    }


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [
        (["status"], []),
        (["status", "-A"], ["--all-namespaces"]),
        (["status", "demo", "-n", "speech"], ["demo", "--namespace=speech"]),
        (["why", "demo", "--context", "lab"], ["demo", "--context=lab"]),
        (["status", "--kubeconfig", "file"], ["--kubeconfig=file"]),
        (["status", "--as", "eve"], ["--as=eve"]),
    ],
)
def test_kubectl_is_asked_for_what_the_user_asks_for(plugin, called, arguments, passed_on):
    done = plugin(*arguments, says=json.dumps({"items": []}))

    assert done.returncode == 0, done.stderr
    assert called() == [
        "get", "asrservices.asr-operator.dev", "--output=json", "--request-timeout=20s", *passed_on,
    ]  # fmt: skip


def test_services_are_told_one_after_the_other_by_name(plugin):
    items = [service("b"), service("a"), service("z", namespace="alpha")]

    done = plugin("status", "-A", says=json.dumps({"items": items}))

    titles = [line.split(":")[0] for line in done.stdout.splitlines() if line[:1].isalpha()]
    assert titles == ["alpha/z", "speech/a", "speech/b"]


def test_one_service_is_explained(plugin):
    done = plugin("why", "demo", says=json.dumps(service("demo")))

    assert done.stdout.startswith("speech/demo: No operator has looked at it yet.")


def test_nothing_found_says_how_to_look_further(plugin):
    assert "kubectl asr status -A" in plugin("status", says='{"items": []}').stdout


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ('error: the server doesn\'t have a resource type "asrservices"', "apply crds/"),
        (
            'Error from server (NotFound): asrservices.asr-operator.dev "demo" not found',
            "kubectl get asr -A lists all",
        ),
        (
            'Error from server (Forbidden): asrservices.asr-operator.dev is forbidden: User "eve"'
            " cannot list",
            "ask for the verbs get and list",
        ),
        ("The connection to the server was refused", "The connection to the server was refused"),
    ],
)
def test_refusal_is_told_with_what_to_do(plugin, refusal, advice):
    done = plugin("status", fails_with=refusal)

    assert (done.returncode, done.stdout) == (1, "")
    assert advice in done.stderr
    assert refusal in done.stderr


def test_missing_kubectl_is_told(tmp_path):
    done = subprocess.run(
        [PLUGIN, "status"], capture_output=True, text=True, env={"PATH": str(tmp_path)}
    )

    assert (done.returncode, done.stderr) == (1, "There is no kubectl on the PATH.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["why"],
        ["status", "demo", "-A"],
        ["what"],
        ["simulate", "demo"],
        ["simulate", "--trace", "t.csv"],
        ["simulate", "demo", "-f", "m.yaml", "--trace", "t.csv"],
        ["simulate", "demo", "--trace", "t.csv", "--prometheus", "6h"],
        ["simulate", "demo", "--trace", "t.csv", "--batch-start-ms", "5"],
        ["simulate", "demo", "--trace", "t.csv", "--cold-start", "-1"],
    ],
)
def test_misuse_is_told(plugin, arguments):
    assert plugin(*arguments).returncode == 2


@pytest.mark.parametrize("verb", [[], ["status"], ["why"], ["simulate"]])
def test_help_helps(plugin, verb):
    assert "kubectl asr" in plugin(*verb, "--help").stdout


@pytest.fixture
def files(tmp_path):
    """Write files; return where a name is."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


MANIFEST = (ROOT / "examples/asrservice-autoscaled.yaml").read_text()


def test_a_manifest_under_a_trace_is_simulated_as_a_table_and_a_picture(plugin, tmp_path):
    picture = tmp_path / "morning.svg"
    done = plugin(
        "simulate", "-f", ROOT / "examples/asrservice-autoscaled.yaml",
        "--trace", ROOT / "examples/traces/morning.csv",
        "--begin", "2026-11-26T07:30+01:00", "--picture", picture,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "default/speech-auto: 1.0" in done.stdout
    assert "from 2026-11-26T06:30:00Z on, simulated" in done.stdout
    assert "963 sessions" in done.stdout
    assert "(profile demo-cpu: the demo models on one CPU thread, measured)" in " ".join(
        done.stdout.split()
    )
    assert "outside the bounds while office-hours is in force, 2 to 4" in " ".join(
        done.stdout.split()
    )
    table = done.stdout.split("\n\n")[1].splitlines()
    assert (table[0].split()[0], len(table)) == ("time", 25)
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_a_service_of_the_cluster_is_simulated_by_what_its_status_has(plugin, called, files):
    inputs = {"batchMs": "200", "costMs": "20"}
    change = {"knob": "replicas", "from": 1, "to": 2, "reason": "LoadFell", "inputs": inputs}
    stored = service("demo") | {
        "spec": {"model": {"demo": {}}, "batching": {"mode": "Auto"}},
        "status": {"scalingHistory": [change | {"time": "2026-01-01T12:00:00Z"}]},
    }
    trace = files("trace.csv", "start_s,audio_s\n0,20\n5,20\n")

    done = plugin("simulate", "demo", "-n", "speech", "--trace", trace, says=json.dumps(stored))

    assert done.returncode == 0, done.stderr
    assert called()[-2:] == ["demo", "--namespace=speech"]
    assert "learned from 1 decision in status.scalingHistory" in " ".join(done.stdout.split())
    assert done.stdout.endswith("--picture FILE.svg draws it.\n")


@pytest.mark.parametrize(
    ("manifest", "trace", "says"),
    [
        (MANIFEST, "", "trace.csv: line 1: there is no session"),
        (MANIFEST, "start_s,audio_s\n", "trace.csv: line 1: there is no session"),
        (MANIFEST, "a,b\n1,2\n", "trace.csv: line 1: the header must be start_s,audio_s"),
        (MANIFEST, "start_s,audio_s\n3,1\n2,1\n", "trace.csv: line 3: it begins at 2 s"),
        (MANIFEST, "start_s,audio_s\n3,one\n", "trace.csv: line 2: two numbers are expected"),
        ("a: [", "start_s,audio_s\n1,2\n", "m.yaml is no YAML"),
        ("kind: Pod", "start_s,audio_s\n1,2\n", "m.yaml must hold one AsrService, but holds 0."),
        (f"{MANIFEST}---\n{MANIFEST}", "", "m.yaml must hold one AsrService, but holds 2."),
        ("kind: AsrService", "", "m.yaml must have a metadata.name"),
        (
            MANIFEST.replace("mode: Auto", "mode: External"),
            "start_s,audio_s\n1,2\n",
            "spec.batching.mode must be one of Fixed, Auto",
        ),
        (
            MANIFEST.replace(
                "    mode: Auto\n    minReplicas", "    mode: External\n    minReplicas"
            ),
            "start_s,audio_s\n1,2\n",
            "in mode External another autoscaler decides the replicas",
        ),
    ],
)
def test_what_cannot_be_simulated_is_told(files, manifest, trace, says):
    assert says in refuse("-f", files("m.yaml", manifest), "--trace", files("trace.csv", trace))


def test_a_refusal_is_told_in_a_line(plugin):
    done = plugin("simulate", "-f", "none.yaml", "--trace", "none.csv")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("none.yaml cannot be read")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-f", "none.yaml", "--trace", "t.csv"], "none.yaml cannot be read"),
        (["-f", "m.yaml", "--trace", "none.csv"], "none.csv cannot be read"),
        (["-f", "m.yaml", "--trace", "t.csv", "--begin", "noon"], "'noon' is no moment"),
        (["-f", "m.yaml", "--trace", "t.csv", "--picture", "no/p.svg"], "p.svg cannot be written"),
        (["-f", "m.yaml", "--prometheus", "soon"], "'soon' is no range: write 6h"),
        (
            ["-f", "m.yaml", "--prometheus", "1h", "--prometheus-url", "http://127.0.0.1:9"],
            "No Prometheus answers at http://127.0.0.1:9: [Errno 111] Connection refused. Make one"
            " reachable (kubectl port-forward",
        ),
        (
            ["-f", "m.yaml", "--prometheus", "1h", "--prometheus-url", "prometheus"],
            "No Prometheus answers at prometheus: unknown url type",
        ),
        (["-f", "m.yaml", "--prometheus", "1h", "--prometheus-token-file", "none"], "none cannot"),
    ],
)
def test_what_cannot_be_read_is_named(files, tmp_path, arguments, says):
    files("m.yaml", MANIFEST)
    files("t.csv", "start_s,audio_s\n1,2\n")
    paths = {"m.yaml", "none.yaml", "t.csv", "none.csv", "no/p.svg"}
    located = [str(tmp_path / each) if each in paths else each for each in arguments]

    assert says in refuse(*located)


@contextlib.contextmanager
def answering(raw):
    """Answer each request with these bytes; yield the address, and the tokens that were sent."""
    tokens = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            tokens.append(self.headers.get("Authorization"))
            self.wfile.write(raw)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ANSWER = b'HTTP/1.0 200 OK\r\n\r\n{"data": {"result": []}}'


@pytest.mark.parametrize(
    ("token", "sent", "says"),
    [
        ("secret", [], "answers 307 and another address, {there}. The token is sent to"),
        (None, [None] * 2, "has no audio of speech/speech-auto in that time"),
    ],
)
def test_a_token_is_for_the_address_that_was_named(plugin, files, token, sent, says):
    flags = ["--prometheus-token-file", files("token", token)] if token else []
    with answering(ANSWER) as (there, tokens):
        redirect = f"HTTP/1.0 307 Go\r\nLocation: {there}\r\n\r\n".encode()
        with answering(redirect) as (url, _):
            done = plugin(
                "simulate", "-f", files("m.yaml", MANIFEST), "-n", "speech",
                "--prometheus", "1h", "--prometheus-url", url, *flags,
            )  # fmt: skip
    assert (done.returncode, tokens) == (1, sent)
    assert says.format(there=there) in done.stderr


@pytest.mark.parametrize("raw", [b"\0\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_what_is_no_http_is_told_in_a_line(plugin, files, raw):
    with answering(raw) as (url, _):
        done = plugin(
            "simulate", "-f", files("m.yaml", MANIFEST), "--prometheus", "1h",
            "--prometheus-url", url,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"No Prometheus answers at {url}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_namespace_that_is_not_that_of_the_file_is_told(plugin, files):
    manifest = files("m.yaml", MANIFEST.replace("metadata:", "metadata:\n  namespace: lab", 1))
    trace = files("trace.csv", "start_s,audio_s\n1,2\n")
    done = plugin("simulate", "-f", manifest, "-n", "speech", "--trace", trace)
    assert done.returncode == 1
    assert "m.yaml has the namespace lab, not speech: leave out -n." in done.stderr


def test_a_range_of_prometheus_has_its_own_begin(plugin):
    done = plugin("simulate", "demo", "--prometheus", "1h", "--begin", "2026-11-26T08:00")
    assert done.returncode == 2
    assert "--begin is for a trace" in done.stderr
