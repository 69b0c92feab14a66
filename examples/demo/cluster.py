"""What the demo does with a Kubernetes, each command shown: run it, wait, find the Service."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SYSTEM, NAMESPACE = "asr-system", "asr-demo"
READY_WITHIN_S = 240
STARTED = time.monotonic()


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def say_with_time(text: str) -> None:
    """Print with the time since the start."""
    say(f"[{time.monotonic() - STARTED:5.1f} s] {text}")


def run(*command: str, show: bool = True) -> str:
    """Show a command and run it; its output comes back. A failure ends the demo."""
    if show:
        say("  $ " + " ".join(command).replace(f"{ROOT}/", ""))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(command)}")
    return done.stdout


def kubectl(*arguments: str, show: bool = True) -> str:
    """Run kubectl in the demo's namespace."""
    return run("kubectl", "-n", NAMESPACE, *arguments, show=show)


def observe(*arguments: str) -> dict[str, Any]:
    """Get objects as they are now."""
    return dict(json.loads(kubectl("get", *arguments, "-o", "json", show=False)))


def select(service: str) -> str:
    """Return what selects the server pods of a service."""
    return f"app.kubernetes.io/instance={service}"


def remove_services() -> None:
    """Remove the services of the demo, and wait until their servers have ended."""
    kubectl("delete", "asr", "--all")
    kubectl("wait", "--for=delete", "pod", "--all", "--timeout=120s")


def wait_ready(service: str) -> None:
    """Wait until a service is ready, and tell what its conditions say on the way."""
    told: dict[str, str] = {}
    end = time.monotonic() + READY_WITHIN_S
    while True:
        conditions = observe("asr", service).get("status", {}).get("conditions", [])
        for each in conditions:
            line = f"{each['type']}={each['status']} ({each['reason']}) {each['message']}"
            if told.get(each["type"]) != line:
                told[each["type"]] = line
                say_with_time(f"  {line}")
        if any((each["type"], each["status"]) == ("Ready", "True") for each in conditions):
            return
        if time.monotonic() > end:
            look = f"kubectl -n {NAMESPACE} describe asr {service}"
            sys.exit(f"not ready within {READY_WITHIN_S} s; see: {look}")
        time.sleep(0.5)


def find_address(service: str) -> tuple[str, int] | None:
    """Return the Service's own address, None where that is not reachable from here."""
    spec = observe("service", service)["spec"]
    address = spec["clusterIP"], spec["ports"][0]["port"]
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return None
    return address


@contextlib.contextmanager
def forwarded_port(service: str) -> Iterator[int]:
    """Yield a local port that leads to one pod of the Service."""
    command = ["kubectl", "-n", NAMESPACE, "port-forward", f"service/{service}", ":10095"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout
        line = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:40321 -> 10095
        yield int(line.split(" -> ")[0].rsplit(":", 1)[1])
        forwarding.terminate()
