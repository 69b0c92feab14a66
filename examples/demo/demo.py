"""From a Kubernetes to spoken words, then the loop live: install the operator, ask, speak, look.

It runs on the cluster that KUBECONFIG names; `make demo` brings one up first, images included.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator

import cluster
import loop
import settings
import speaking
from cluster import kubectl, run, say
from prometheus_client.parser import text_string_to_metric_families

SERVICE = "demo"
SPEAKERS = 12
HIGHEST_ERROR_RATE = 0.05


def heading(number: int, text: str) -> None:
    """Say which step begins, and when."""
    say()
    cluster.say_with_time(f"{number}/{6 if settings.LOAD else 4}  {text}")


def install_operator() -> None:
    """Install the chart of this checkout; an earlier demo's operator gets the newest image."""
    there = run("helm", "-n", cluster.SYSTEM, "list", "--short", show=False).split()
    metrics = [f"--set=prometheus.url={settings.PROMETHEUS}"] if settings.PROMETHEUS else []
    run("helm", "upgrade", "--install", "asr-operator", str(cluster.ROOT / "charts/asr-operator"),
        "-n", cluster.SYSTEM, "--create-namespace", "--reset-values", *metrics)  # fmt: skip
    operator = "-n", cluster.SYSTEM, "rollout"
    if there:
        run("kubectl", *operator, "restart", "deployment/asr-operator")
    run("kubectl", *operator, "status", "deployment/asr-operator", "--timeout=120s")


def ask_for_a_service() -> None:
    """Apply the example in a namespace of its own and wait until it serves."""
    there = run("kubectl", "get", "namespace", cluster.NAMESPACE, "--ignore-not-found", show=False)
    if there:
        cluster.remove_services()
    else:
        run("kubectl", "create", "namespace", cluster.NAMESPACE)
    kubectl("apply", "-f", str(cluster.ROOT / "examples/asrservice-demo.yaml"))
    cluster.wait_ready(SERVICE)
    say("\n" + kubectl("get", "asr,pods", "-o", "wide"))


@contextlib.contextmanager
def reachable_url() -> Iterator[str]:
    """Yield the Service's own address where that is reachable, else a forwarded port's."""
    address = cluster.find_address(SERVICE)
    if address:
        yield f"ws://{address[0]}:{address[1]}"
        return
    say("  The Service's address is not reachable from here: a port of one pod is forwarded.")
    with cluster.forwarded_port(SERVICE) as port:
        yield f"ws://127.0.0.1:{port}"


def speak_to_it() -> None:
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
    if speaking.error_rate(heard) > HIGHEST_ERROR_RATE:
        sys.exit(f"too many wrong characters: more than {HIGHEST_ERROR_RATE:.0%}")


def show_batches() -> None:
    """Read from each pod how many utterances were recognised together."""
    pods = cluster.observe("pods", "-l", cluster.select(SERVICE))["items"]
    for name in (pod["metadata"]["name"] for pod in pods):
        path = f"/api/v1/namespaces/{cluster.NAMESPACE}/pods/{name}:8081/proxy/metrics"
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


def tell_what_to_try(service: str) -> None:
    """Say how to look around, and how to clean up."""
    namespace = cluster.NAMESPACE
    say(f"""
Look around (with our own cluster, first: eval "$(tests/cluster/cluster env)"):
  kubectl -n {namespace} get asr -o wide
  kubectl -n {namespace} describe asr {service}
  PATH=$PWD/.venv/bin:$PATH kubectl asr why -n {namespace} {service}
  kubectl -n {namespace} edit asr {service}
  kubectl -n {cluster.SYSTEM} logs deployment/asr-operator
  kubectl explain asr.spec --recursive
  curl -s "$ASR_CLUSTER_PROMETHEUS/api/v1/query?query=asr_batch_size_count"
Clean up:
  make demo-down""")


def speak_first_words() -> None:
    """Run the four steps of the first part."""
    heading(1, "Install the operator")
    install_operator()
    heading(2, "Ask for a speech recognition service: the built-in demo model, two replicas on CPU")
    ask_for_a_service()
    heading(3, f"{SPEAKERS} people speak to it")
    speak_to_it()
    heading(4, "What the servers made of it")
    show_batches()
    say(f"\nFirst words after {time.monotonic() - cluster.STARTED:.0f} s.")


def main() -> None:
    """Run the demo; end with status 1 when words are wrong or lost."""
    try:
        speak_first_words()
        if settings.LOAD and loop.is_possible(SERVICE):
            heading(5, "A service whose replicas and batch size the operator decides")
            loop.ask_for_a_service()
            heading(6, loop.TITLE)
            whole = loop.run()
            tell_what_to_try(loop.SERVICE)
            sys.exit(0 if whole else "not everything that was said came back as it should")
        tell_what_to_try(SERVICE)
    except KeyboardInterrupt:
        say("\nStopped. The cluster and what is in it go on; clean up with: make demo-down")
        sys.exit(130)


if __name__ == "__main__":
    main()
