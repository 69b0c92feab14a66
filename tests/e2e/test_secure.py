"""A service with a certificate and tokens, both from Secrets that only the kubelet reads.

The servers take over what changes in them, and live shedding, without a restart; a Secret that is
missing stops no server that runs.
"""

import os
import secrets
import ssl
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import asr, waiting

KUBELET_S = 150  # until it looks at a Secret or a ConfigMap again, at the latest


@dataclass(frozen=True, slots=True)
class Secured:
    """The service, and what its client has to know."""

    service: asr.Service
    folder: Path
    speech: Path

    def keep(self, name: str, type_: str, content: dict[str, str]) -> None:
        """Create a Secret, or change it."""
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        self.service.namespace.apply(secret | {"type": type_, "stringData": content})

    def certify(self, secret: str) -> Path:
        """Keep a new certificate for the node's address in a Secret; return it."""
        chain, key = (self.folder / f"{secret}.{part}" for part in ("crt", "key"))
        run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", f"/CN={secrets.token_hex(4)}", "-addext"),
            f"subjectAltName=IP:{self.address[0]}",
            *("-out", str(chain), "-keyout", str(key)),
        )
        content = {"tls.crt": chain.read_text(), "tls.key": key.read_text()}
        self.keep(secret, "kubernetes.io/tls", content)
        return chain

    def admit(self, *tokens: str) -> None:
        self.keep("clients", "Opaque", {"list.txt": "\n".join(["# clients", *tokens])})

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.service.url)
        return parts.hostname or "", parts.port or 0

    def presents(self) -> str:
        """Return the certificate with which the servers answer now."""
        return ssl.get_server_certificate(self.address, timeout=30)

    def ask(self, token: str, ca: Path) -> str:
        """Have a file recognised by asr-client; return what it writes, and what is wrong."""
        client = Path(sys.executable).parent / "asr-client"
        command = [client, self.service.url, self.speech, "--ca", ca]
        done = subprocess.run(
            command, env=os.environ | {"ASR_TOKEN": token}, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else done.stderr

    def touch_pods(self) -> None:
        """Have the kubelet look at the Secrets now, as it does within two minutes by itself."""
        selector = f"--selector=app.kubernetes.io/instance={self.service.name}"
        touched = f"touched={secrets.token_hex(4)}"
        self.service.namespace.kubectl("annotate", "pods", selector, "--overwrite", touched)

    def lives(self) -> dict[str, int]:
        """Return how often each server was restarted."""
        return {
            pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in self.service.pods()
        }


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def secured(new_namespace, utterances, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    spoken = folder / "speech.wav"
    with wave.open(str(spoken), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(utterances[0].audio.tobytes())
    service = asr.Service(new_namespace("secure"), "secured")
    stage = Secured(service, folder, spoken)
    service.apply({"replicas": 0})  # the Service has an address then, for the certificate
    service.wait_condition("Ready", "False", "ScaledToZero")
    stage.certify("secured-tls")
    stage.admit("first")
    exposed = {
        "tls": {"secretName": "secured-tls"},
        "auth": {"secretName": "clients", "key": "list.txt"},
    }
    service.patch({"replicas": 1, "service": exposed})
    service.wait_ready()
    yield stage
    service.delete()


@pytest.fixture
def ca(secured):
    return secured.folder / "secured-tls.crt"


@pytest.fixture
def words(utterances) -> Callable[[str], bool]:
    said = "".join(each for each in utterances[0].text if each.isalnum())
    return lambda heard: "".join(each for each in heard if each.isalnum()) == said


def test_status_names_an_address_with_tls(secured):
    name, namespace = secured.service.name, secured.service.namespace
    (port,) = secured.service.children()["Service"]["spec"]["ports"]

    assert secured.service.status["url"] == f"wss://{name}.{namespace.name}.svc:10095"
    assert port["appProtocol"] == "kubernetes.io/wss"


def test_who_has_the_token_is_answered(secured, ca, words):
    heard = secured.ask("first", ca)

    assert words(heard), heard


@pytest.mark.parametrize("token", ["", "wrong"])
def test_others_are_refused(secured, ca, token):
    assert "the server wants another token" in secured.ask(token, ca)
    (metrics,) = secured.service.metrics().values()
    assert metrics.value("asr_refused_sessions_total", reason="unauthorized") >= 1


def test_who_does_not_trust_the_certificate_sends_nothing(secured, ca):
    other = ca.with_name("other.crt")
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"),
        *("-out", str(other), "-keyout", str(other.with_suffix(".key"))),
    )

    assert "certificate is not trusted" in secured.ask("first", other)


def wait_admitted(secured, token, ca, words):
    """Have the servers admit this token and no other; wait until they do."""
    secured.admit(token)
    secured.touch_pods()
    waiting.wait_for(
        f"admission of the {token} token",
        lambda: secured.ask(token, ca),
        words,
        deadline_s=KUBELET_S,
    )


def test_another_token_is_taken_over_without_a_restart(secured, ca, words):
    lives = secured.lives()

    wait_admitted(secured, "second", ca, words)

    assert "the server wants another token" in secured.ask("first", ca)
    wait_admitted(secured, "first", ca, words)
    assert secured.lives() == lives


def test_a_renewed_certificate_is_taken_over_without_a_restart(secured, ca, words):
    lives, before = secured.lives(), secured.presents()

    secured.certify("secured-tls")
    secured.touch_pods()
    presented = waiting.wait_for(
        "the renewed certificate", secured.presents, lambda found: found != before,
        deadline_s=KUBELET_S,
    )  # fmt: skip

    assert presented.split() == ca.read_text().split()
    assert words(secured.ask("first", ca))
    assert secured.lives() == lives


def test_shedding_is_changed_in_running_servers(secured):
    lives = secured.lives()
    (before,) = secured.service.metrics().values()

    secured.service.patch(
        {"shedding": {"lateMilliseconds": 250, "partialIntervalMilliseconds": 3000}}
    )
    waiting.wait_for(
        "the next generation of the live configuration",
        lambda: [
            each.value("asr_config_generation") for each in secured.service.metrics().values()
        ],
        lambda found: found == [before.value("asr_config_generation") + 1],
        deadline_s=KUBELET_S,
    )

    waiting.wait_for(
        "log of the configuration in force",
        lambda: secured.service.namespace.kubectl("logs", "deployment/secured").splitlines(),
        lambda told: any(
            "configuration in force" in line
            and '"shed_late_ms": 250' in line
            and '"partial_interval_ms": 3000' in line
            for line in told
        ),
    )
    assert secured.lives() == lives


def test_a_secret_that_is_missing_is_told_and_stops_nobody(secured, ca, words):
    running = secured.service.ready_pods()

    secured.service.patch({"service": {"tls": {"secretName": "later-tls"}}})
    condition = secured.service.wait_condition("ModelReady", "False", "SecretMissing")

    assert condition["message"].startswith(
        'A server pod waits for a Secret: secret "later-tls" not found. Create it'
    )
    ready = secured.service.wait_condition("Ready", "True", "ServingPreviousVersion")
    assert "later-tls" in ready["message"]
    secured.service.wait_event("SecretMissing")
    assert secured.service.ready_pods() == running
    assert words(secured.ask("first", ca))


def test_it_goes_on_by_itself_when_the_secret_is_there(secured, words):
    later = secured.certify("later-tls")

    secured.service.wait_ready(deadline_s=KUBELET_S + asr.READY_S)

    assert words(secured.ask("first", later))
    assert secured.service.condition("ModelReady")["reason"] == "Loaded"


def test_a_secret_that_holds_something_else_is_told(secured):
    running = secured.service.ready_pods()

    secured.keep("nonsense-tls", "Opaque", {"tls.crt": "nothing", "tls.key": "nothing"})
    secured.service.patch({"service": {"tls": {"secretName": "nonsense-tls"}}})
    condition = secured.service.wait_condition("ModelReady", "False", "SettingsRefused")

    assert "Correct the Secret that spec.service.tls.secretName names" in condition["message"]
    assert secured.service.ready_pods() == running
