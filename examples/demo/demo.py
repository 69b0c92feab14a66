"""From a Kubernetes to spoken words: install the operator, ask for a service, speak to it.

It runs on the cluster that KUBECONFIG names; `make demo` brings one up first, images included.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import speaking
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
SYSTEM, NAMESPACE, SERVICE = "asr-system", "asr-demo", "demo"
SELECTOR = f"app.kubernetes.io/instance={SERVICE}"
READY_WITHIN_S = 240
SPEAKERS = 12
HIGHEST_ERROR_RATE = 0.05
STARTED = time.monotonic()


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def heading(number: int, text: str) -> None:
    """Say which step begins, and when."""
    say(f"\n[{time.monotonic() - STARTED:5.1f} s] {number}/4  {text}")


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


def install_operator() -> None:
    """Install the chart of this checkout; an earlier demo's operator gets the newest image."""
    there = run("helm", "-n", SYSTEM, "list", "--short", show=False).split()
    run("helm", "upgrade", "--install", "asr-operator", str(ROOT / "charts/asr-operator"),
        "-n", SYSTEM, "--create-namespace", "--reset-values")  # fmt: skip
    if there:
        run("kubectl", "-n", SYSTEM, "rollout", "restart", "deployment/asr-operator")
    run("kubectl", "-n", SYSTEM, "rollout", "status", "deployment/asr-operator", "--timeout=120s")


def ask_for_a_service() -> None:
    """Apply the example in a namespace of its own and wait until it serves."""
    there = run("kubectl", "get", "namespace", NAMESPACE, "--ignore-not-found", show=False)
    if there:
        remove_service()
    else:
        run("kubectl", "create", "namespace", NAMESPACE)
    kubectl("apply", "-f", str(ROOT / "examples/asrservice-demo.yaml"))
    wait_ready()
    say("\n" + kubectl("get", "asr,pods", "-o", "wide"))


def remove_service() -> None:
    """Remove an earlier demo's service, whose servers may be older, and wait until they ended."""
    kubectl("delete", "asr", SERVICE, "--ignore-not-found")
    kubectl("wait", "--for=delete", "pod", "-l", SELECTOR, "--timeout=60s")


def wait_ready() -> None:
    """Wait until the service is ready, and tell what its conditions say on the way."""
    told: dict[str, str] = {}
    end = time.monotonic() + READY_WITHIN_S
    while True:
        conditions = observe("asr", SERVICE).get("status", {}).get("conditions", [])
        for each in conditions:
            line = f"{each['type']}={each['status']} ({each['reason']}) {each['message']}"
            if told.get(each["type"]) != line:
                told[each["type"]] = line
                say(f"[{time.monotonic() - STARTED:5.1f} s]   {line}")
        if any((each["type"], each["status"]) == ("Ready", "True") for each in conditions):
            return
        if time.monotonic() > end:
            look = f"kubectl -n {NAMESPACE} describe asr {SERVICE}"
            sys.exit(f"not ready within {READY_WITHIN_S} s; see: {look}")
        time.sleep(0.5)


@contextlib.contextmanager
def reachable_url() -> Iterator[str]:
    """Yield the Service's own address where that is reachable, else a forwarded port's."""
    spec = observe("service", SERVICE)["spec"]
    address = (spec["clusterIP"], spec["ports"][0]["port"])
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        say("  The Service's address is not reachable from here: a port of one pod is forwarded.")
        with forwarded_port(address[1]) as port:
            yield f"ws://127.0.0.1:{port}"
    else:
        yield f"ws://{address[0]}:{address[1]}"


@contextlib.contextmanager
def forwarded_port(remote: int) -> Iterator[int]:
    """Yield a local port that leads to one pod of the Service."""
    command = ["kubectl", "-n", NAMESPACE, "port-forward", f"service/{SERVICE}", f":{remote}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout
        line = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:40321 -> 10095
        yield int(line.split(" -> ")[0].rsplit(":", 1)[1])
        forwarding.terminate()


def speak_to_it() -> list[speaking.Heard]:
    """Let all speakers talk, and print what was said beside what was heard."""
    utterances = speaking.load(SPEAKERS)
    with reachable_url() as url:
        say(f"  {url}: {len(utterances)} sessions of funasr-client, in real time, stopping at once")
        heard = asyncio.run(speaking.speak_all(url, utterances))
    for each in heard:
        mark = "=" if speaking.wrong_characters(each) == 0 else "x"
        say(f"  {mark} said  {each.utterance.text}")
        say(f"    heard {each.text}   ({each.latency_s * 1000:.0f} ms after the last word)")
    say(f"  character error rate {speaking.error_rate(heard):.1%}")
    return heard


def show_batches() -> None:
    """Read from each pod how many utterances were recognised together."""
    pods = observe("pods", "-l", SELECTOR)["items"]
    for name in (pod["metadata"]["name"] for pod in pods):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:8081/proxy/metrics"
        families = text_string_to_metric_families(run("kubectl", "get", "--raw", path, show=False))
        sizes = {
            sample.name.removeprefix("asr_batch_size_"): int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name in ("asr_batch_size_sum", "asr_batch_size_count")
            and sample.labels["stage"] == "asr"
        }
        count, batches = sizes.get("sum", 0), sizes.get("count", 0)
        say(f"  {name}: {count} utterances in {batches} batches, mean {count / (batches or 1):.1f}")


def tell_what_to_try() -> None:
    """Say how to look around, and how to clean up."""
    say(f"""
Look around (with our own cluster, first: eval "$(tests/cluster/cluster env)"):
  kubectl -n {NAMESPACE} get asr -o wide
  kubectl -n {NAMESPACE} describe asr {SERVICE}
  kubectl -n {NAMESPACE} scale asr {SERVICE} --replicas 1
  kubectl -n {NAMESPACE} edit asr {SERVICE}
  kubectl -n {SYSTEM} logs deployment/asr-operator
  kubectl explain asr.spec --recursive
  curl -s "$ASR_CLUSTER_PROMETHEUS/api/v1/query?query=asr_batch_size_count"
Clean up:
  make demo-down""")


def main() -> None:
    """Run the four steps; end with status 1 when the words are wrong."""
    heading(1, "Install the operator")
    install_operator()
    heading(2, "Ask for a speech recognition service: the built-in demo model, two replicas on CPU")
    ask_for_a_service()
    heading(3, f"{SPEAKERS} people speak to it")
    heard = speak_to_it()
    heading(4, "What the servers made of it")
    show_batches()
    say(f"\nDone in {time.monotonic() - STARTED:.0f} s.")
    tell_what_to_try()
    if speaking.error_rate(heard) > HIGHEST_ERROR_RATE:
        sys.exit(f"too many wrong characters: more than {HIGHEST_ERROR_RATE:.0%}")


if __name__ == "__main__":
    main()
