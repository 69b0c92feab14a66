"""Auto against Fixed: the same load to two services at once that differ in batching.mode alone.

    tests/cluster/with-cluster .venv/bin/python examples/demo/compare.py

Both have one server with half a CPU and begin with batches of one; the operator may only change the
batch size of the first. The load rises above what a server carries one by one. It needs the
operator of `make demo`.
"""

import asyncio
import json
import sys
from typing import Any

import cluster
import follow
import loop
from cluster import kubectl, say

SERVICES = {"auto": "Auto", "fixed": "Fixed"}
STEPS = ((20, 0.4, 0.4), (40, 0.4, 1.1), (90, 1.1, 1.1))
RESULTS = cluster.ROOT / "build/demo"
SETTLE_S = 15
BOUNDS = ("1.0", "2.0", "4.0", "8.0", "16.0")
LABELS = 'stage="asr", le="%s"'


def build_manifest(name: str, mode: str) -> dict[str, Any]:
    """Return the service of the demo with one server, and this mode of batching."""
    manifest = json.loads(
        cluster.run(
            "kubectl", "create", "--dry-run=client", "-o", "json", "-f", str(loop.MANIFEST),
            show=False,
        )
    )  # fmt: skip
    manifest["metadata"] = {"name": name, "namespace": cluster.NAMESPACE}
    manifest["spec"]["autoscaling"]["mode"] = "Off"
    manifest["spec"]["replicas"] = 1
    manifest["spec"]["batching"]["mode"] = mode
    return dict(manifest)


def list_servers(service: str) -> list[tuple[str, str]]:
    """Return the unique id of each server pod, and when its server started."""
    pods = cluster.observe("pods", "-l", cluster.select(service))["items"]
    return [
        (each["metadata"]["uid"], state["state"]["running"]["startedAt"])
        for each in pods
        for state in each["status"]["containerStatuses"]
    ]


async def load_service(service: str, steps: str) -> dict[str, Any]:
    """Send the load to a service; return its account."""
    load = await loop.start_load(steps, service)
    assert load.stdout
    lines = [json.loads(line) async for line in load.stdout]
    await load.wait()
    return dict(lines[-1])


async def run_load() -> tuple[float, dict[str, dict[str, Any]]]:
    """Send both the same load; return how many sessions fill one, and what came of it for each."""
    fills_one = await loop.probe("fixed")
    steps = ",".join(f"{s}x{a * fills_one:.0f}-{b * fills_one:.0f}" for s, a, b in STEPS)
    say(f"  One server serves about {fills_one:.0f} sessions one by one; the load: {steps}")
    await asyncio.sleep(SETTLE_S)
    accounts = await asyncio.gather(*(load_service(name, steps) for name in SERVICES))
    return fills_one, dict(zip(SERVICES, accounts, strict=True))


async def read_sizes(service: str) -> dict[str, float]:
    """Return the share of the recognizer's batches that had at most so many items."""
    seconds = sum(step[0] for step in STEPS)
    counts: dict[str, float] = {}
    for bound in (*BOUNDS, "+Inf"):
        promql = f"sum(increase(asr_batch_size_bucket{{{LABELS % bound}}}[{seconds}s]) OF)"
        counts[bound] = await asyncio.to_thread(follow.query, promql, service) or 0.0
    return {bound: counts[bound] / (counts["+Inf"] or 1.0) for bound in BOUNDS}


def tell(name: str, account: dict[str, Any], sizes: dict[str, float]) -> None:
    """Say what came of one service."""
    last = account["steps"][-1]
    shares = ", ".join(
        f"{share:.0%} <= {bound.removesuffix('.0')}" for bound, share in sizes.items()
    )
    say(
        f"  {name:6} last step: {last['finals']} finals, p50 {last['p50_ms']} ms,"
        f" p95 {last['p95_ms']} ms, of its last 20 s {last['settled_p95_ms']} ms;"
        f" lost {account['lost']}, doubled {account['doubled']}, cut {account['cut']}"
    )
    say(f"         batches: {shares}")


def save(name: str, fills_one: float, account: dict[str, Any], limit: int) -> None:
    """Write down a service as `python -m benchmarks.autoscaling.reality` reads it."""
    record = {
        "what": f"examples/demo/compare.py, the service whose batching.mode is {SERVICES[name]}",
        "fills_one": fills_one,
        "spec": {"autoscaling": {"mode": "Off"}, "batching": {"mode": SERVICES[name]}},
        "account": account,
        "rows": [{"at_s": account["steps"][-1]["end_s"], "limit": limit, "ready": 1}],
    }
    (RESULTS / f"compare-{name}.json").write_text(json.dumps(record, indent=1))


def main() -> None:
    """Run both, compare, write down."""
    cluster.remove_services()
    for name, mode in SERVICES.items():
        kubectl_apply(build_manifest(name, mode))
    for name in SERVICES:
        cluster.wait_ready(name)
    before = {name: list_servers(name) for name in SERVICES}
    fills_one, accounts = asyncio.run(run_load())
    after = {name: list_servers(name) for name in SERVICES}
    for name in SERVICES:
        status = cluster.observe("asr", name)["status"]
        tell(name, accounts[name], asyncio.run(read_sizes(name)))
        changes = [(each["from"], each["to"]) for each in status.get("scalingHistory", [])]
        say(f"         changes of the batch size: {changes}")
        save(name, fills_one, accounts[name], changes[-1][1] if changes else 1)
    auto, fixed = (accounts[name]["steps"][-1]["settled_p95_ms"] for name in SERVICES)
    say(f"  p95 of the last 20 s, Fixed over Auto: {fixed / auto:.1f}")
    say(f"  same servers all the time: {before == after}")
    say(f"  Records for benchmarks.autoscaling.reality: {RESULTS}/compare-*.json")
    sys.exit(0 if before == after else "a server was replaced")


def kubectl_apply(manifest: dict[str, Any]) -> None:
    """Apply a manifest."""
    path = RESULTS / f"{manifest['metadata']['name']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    kubectl("apply", "-f", str(path))


if __name__ == "__main__":
    main()
