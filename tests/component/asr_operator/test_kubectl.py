"""The plugin as a process, with a kubectl that answers what a test tells it to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("arguments", [[], ["why"], ["status", "demo", "-A"], ["what"]])
def test_misuse_is_told(plugin, arguments):
    assert plugin(*arguments).returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["why", "--help"]])
def test_help_helps(plugin, arguments):
    assert "kubectl asr" in plugin(*arguments).stdout
