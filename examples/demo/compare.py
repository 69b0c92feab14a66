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
RESULT = cluster.ROOT / "build/demo/compare.json"
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


async def run_load() -> dict[str, dict[str, Any]]:
    """Send both the same load at the same time; return what came of it for each."""
    fills_one = await loop.probe("fixed")
    steps = ",".join(f"{s}x{a * fills_one:.0f}-{b * fills_one:.0f}" for s, a, b in STEPS)
    say(f"  One server serves about {fills_one:.0f} sessions one by one; the load: {steps}")
    await asyncio.sleep(SETTLE_S)
    accounts = await asyncio.gather(*(load_service(name, steps) for name in SERVICES))
    return dict(zip(SERVICES, accounts, strict=True))


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


def main() -> None:
    """Run both, compare, write down."""
    cluster.remove_services()
    for name, mode in SERVICES.items():
        kubectl_apply(build_manifest(name, mode))
    for name in SERVICES:
        cluster.wait_ready(name)
    before = {name: list_servers(name) for name in SERVICES}
    accounts = asyncio.run(run_load())
    after = {name: list_servers(name) for name in SERVICES}
    sizes = {name: asyncio.run(read_sizes(name)) for name in SERVICES}
    for name in SERVICES:
        tell(name, accounts[name], sizes[name])
    auto, fixed = (accounts[name]["steps"][-1]["settled_p95_ms"] for name in SERVICES)
    say(f"  p95 of the last 20 s, Fixed over Auto: {fixed / auto:.1f}")
    say(f"  same servers all the time: {before == after}")
    status = cluster.observe("asr", "auto")["status"]
    changes = [(each["from"], each["to"]) for each in status.get("scalingHistory", [])]
    say(f"  batch size of Auto: {changes}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    told = {"accounts": accounts, "sizes": sizes, "changes": changes, "same": before == after}
    RESULT.write_text(json.dumps(told, indent=1))
    sys.exit(0 if before == after else "a server was replaced")


def kubectl_apply(manifest: dict[str, Any]) -> None:
    """Apply a manifest."""
    path = RESULT.with_name(f"{manifest['metadata']['name']}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    kubectl("apply", "-f", str(path))


if __name__ == "__main__":
    main()
