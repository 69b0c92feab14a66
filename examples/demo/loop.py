"""The loop live: a load rises and falls, the operator follows, a table and a picture tell how."""

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import cluster
import follow
import picture
import settings
from cluster import kubectl, say

SERVICE = "loop"
MANIFEST = cluster.ROOT / "examples/demo/asrservice-loop.yaml"
PICTURE = cluster.ROOT / "build/demo/loop.png"
OBJECTIVE_MS = 1000
PROBE = (30, 40)  # seconds and sessions that show what one server can do
MOST_SESSIONS = 350  # that one server carries; a faster one is not filled
STEPS = (  # seconds, sessions from and to, over those that fill one server one by one; in words
    (20, 0.3, 0.3, "calm"),
    (50, 0.3, 0.8, "rising"),
    (50, 0.8, 0.8, "busy"),
    (60, 0.8, 1.8, "rising"),
    (60, 1.8, 1.8, "rush"),
    (110, 0.2, 0.2, "calm again"),
)
ROW_S = 5
FAULTS = {
    "lost": "lost",
    "doubled": "doubled",
    "mixed_up": "mixed up",
    "refused": "refused",
    "cut": "streams cut",
    "given_up": "gave up",
}
MINUTES = sum(step[0] for step in STEPS) / 60
TITLE = f"The loop: a load that rises and falls, {MINUTES:.1f} minutes (Ctrl-C ends it)"
COLUMNS = "   time  sessions   p95 ms  wait ms   cpu  batch of at most  servers"


@dataclass(slots=True)
class Run:
    """What was seen of the load and the service: one row every few seconds, every change.

    `fills_one` is how many sessions fill one server that takes them one by one.
    """

    fills_one: float
    began: float = field(default_factory=time.time)
    rows: list[dict[str, Any]] = field(default_factory=list)
    seen: follow.Seen = field(default_factory=follow.Seen)
    account: dict[str, Any] = field(default_factory=dict)

    def at_s(self, change: follow.Told) -> float:
        """Return when a change was made, in seconds of the load."""
        return change.time.timestamp() - self.began


def is_possible(service: str) -> bool:
    """Return whether the load can be run here; say why if not."""
    if not settings.PROMETHEUS:
        say(
            "\nLeft out: the load, because ASR_CLUSTER_PROMETHEUS does not say where Prometheus is."
        )
    elif cluster.find_address(service) is None:
        say("\nLeft out: the load, because the Service's address is not reachable from here.")
    else:
        return True
    return False


def ask_for_a_service() -> None:
    """Replace the service of the first part by one that scales."""
    cluster.remove_services()
    kubectl("apply", "-f", str(MANIFEST))
    cluster.wait_ready(SERVICE)


def run() -> bool:
    """Run the load, print the table, save the picture; return whether all came back."""
    say("  People call, speak for 20 to 40 s and leave, in FunASR's protocol and in real time;")
    say(f"  finals are to be there {OBJECTIVE_MS} ms after the last word, 95 % of them.")
    found = asyncio.run(run_all())
    tell_account(found)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    picture.draw(found, OBJECTIVE_MS, PICTURE)
    data = PICTURE.with_suffix(".json")
    told = {"fills_one": found.fills_one, "rows": found.rows, "account": found.account}
    data.write_text(json.dumps(told, indent=1))
    say(f"\nPicture: {PICTURE}, and what it shows: {data}")
    return faults(found.account) == 0


async def run_all() -> Run:
    """See what one server can do, then send the load that is a multiple of it."""
    seconds, sessions = PROBE
    say(f"  First {sessions} people for {seconds} s, to see how many one server can serve:")
    found = Run(fills_one=min(MOST_SESSIONS, await probe()))
    say(f"  about {found.fills_one:.0f} with batches of one, so the load is")
    for seconds, first, last, name in STEPS:
        first, last = round(first * found.fills_one), round(last * found.fills_one)
        say(f"    {seconds:4} s  {name}: {first} to {last} sessions at a time")
    await send_load(found)
    return found


async def probe(service: str = SERVICE) -> float:
    """Return how many sessions would use all of a server's CPU limit, judged by a few."""
    seconds, sessions = PROBE
    load = await start_load(f"{seconds}x{sessions}", service)
    await asyncio.sleep(seconds)
    shares = await follow.measure(service)
    load.terminate()
    await load.communicate()
    if not shares["cpu"] or not shares["open"]:
        sys.exit("Prometheus does not know what the server uses of its CPU limit")
    return shares["open"] / shares["cpu"]


async def start_load(steps: str, service: str = SERVICE) -> asyncio.subprocess.Process:
    """Send a load to a service; what it tells comes on its standard output."""
    address = cluster.find_address(service)
    assert address
    command = [sys.executable, "-m", "benchmarks.load", f"ws://{address[0]}:{address[1]}"]
    return await asyncio.create_subprocess_exec(
        *command, "--steps", steps, cwd=cluster.ROOT, stdout=asyncio.subprocess.PIPE
    )


async def send_load(found: Run) -> None:
    """Run the load beside the watch and the table, and stop all of it in any case."""
    load = await start_load(
        ",".join(
            f"{seconds}x{first * found.fills_one:.0f}-{last * found.fills_one:.0f}"
            for seconds, first, last, _ in STEPS
        )
    )
    found.began = time.time()
    watching = asyncio.create_task(follow.watch(SERVICE, found.seen))
    try:
        await read_load(load, found)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if load.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                load.terminate()
            await load.wait()


async def read_load(load: asyncio.subprocess.Process, found: Run) -> None:
    """Print a row whenever it is time, and each change of the operator as soon as it is seen."""
    assert load.stdout
    say(f"\n{COLUMNS}")
    shown = 0
    async for line in load.stdout:
        told = json.loads(line)
        if told.pop("kind") == "account":
            found.account = told
            break
        for change in found.seen.changes[shown:]:
            say(f"         > {change.sentence}")
        shown = len(found.seen.changes)
        if told["at_s"] >= ROW_S * (len(found.rows) + 1):
            await add_row(told, found)
    if await load.wait() not in (0, 1):
        sys.exit("the load failed")


async def add_row(told: dict[str, Any], found: Run) -> None:
    """Add and print what is to be seen now."""
    if not found.rows:
        found.began = time.time() - told["at_s"]
    measured = await follow.measure(SERVICE)
    servers = {"ready": found.seen.ready, "replicas": found.seen.replicas}
    row = told | measured | servers
    found.rows.append(row)
    mean = row["items"] / row["batches"] if row["items"] and row["batches"] else None
    row["mean_batch"] = mean
    wait_ms = None if row["wait_s"] is None else 1000 * row["wait_s"]
    say(
        f"{row['at_s']:5.0f} s  {row['sessions']:8}  {show(row['p95_ms']):>7}  {show(wait_ms):>7}"
        f"  {show(row['cpu'], 2):>4}  {show(mean, 1):>5} of {show(row['limit']):>2}"
        f"           {row['ready']} of {row['replicas']}"
    )


def show(value: float | None, digits: int = 0) -> str:
    """Render a number that may be unknown."""
    return "-" if value is None else f"{value:.{digits}f}"


def tell_account(found: Run) -> None:
    """Say what came back, and how soon, step by step."""
    account = found.account
    say(f"\n{account['sent']} utterances in {account['sessions']} sessions:")
    told = ", ".join(f"{account[name]} {words}" for name, words in FAULTS.items())
    say(f"  {told}; {account['misheard']} misheard")
    say(
        f"  {account['moved']} sessions were told to connect again, and went on elsewhere;"
        f" {len(found.seen.changes)} changes by the operator"
    )
    for (*_, name), step in zip(STEPS, account["steps"], strict=True):
        within = 0 <= (step["settled_p95_ms"] or 0) <= OBJECTIVE_MS
        say(
            f"  {name:10}  {step['finals']:5} finals, p95 {show(step['p95_ms']):>5} ms;"
            f" of its last 20 s {show(step['settled_p95_ms']):>5} ms,"
            f" {'within' if within else 'ABOVE'} the objective"
        )
    cost = account["generator"]
    say(
        f"The load itself took {cost['cpu_cores']:.2f} cores; {cost['late_messages']} of its"
        f" {cost['messages']} messages were more than 100 ms late."
    )


def faults(account: dict[str, Any]) -> int:
    """Return how much did not come back as it should."""
    return sum(account[name] for name in FAULTS)
