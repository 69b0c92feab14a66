"""Live 2pass sessions within 500 ms beyond the VAD's end silence, and twice as many.

Crowds of twice as many come twice. Of each the server lets in what follows from what it carried
before; the others wait at the door, knock again when they are refused, and give up after 20 s.
"""

from typing import Any

from benchmarks.server import peers
from benchmarks.server.benching import run_bench
from benchmarks.server.figures import Figure
from benchmarks.serving import Server

FIRST, TRIAL_S = 64, 12
STOCK_FIRST, STOCK_MOST = 8, 64
GIVEN_UP_S = 30.0  # more than 5 % never came: so long a client waits


def measure() -> list[Figure]:
    """Look for the largest number for the server, then for the stock server."""
    with Server("--max-sessions=2000") as server:
        url, metrics = server.url, f"--metrics-url={server.metrics_url}"
        run_bench(url, "--sessions=8", "--duration=5")  # speeds are learned
        found = run_bench(url, f"--first={FIRST}", f"--duration={TRIAL_S}", metrics)
        ours = int(found["sessions_within_objective"])
        crowd = (f"--sessions={max(2, 2 * ours)}", f"--duration={TRIAL_S}", metrics)
        first, second = run_bench(url, *crowd), run_bench(url, *crowd)
    trial = _find_trial(found, ours)
    detail = "asr-bench, open loop, 60-ms frames, "
    detail += _describe(trial) if trial else "none held"
    return [
        Figure("sessions_within_500_ms", ours, "", detail, {"search": found}),
        _measure_overload("overload_p95_s", first["trials"][0]),
        _measure_overload("overload_again_p95_s", second["trials"][0]),
        _measure_stock(ours),
    ]


def _measure_overload(name: str, trial: dict[str, Any]) -> Figure:
    account = trial["account"]
    harm = {fault: account[fault] for fault in ("lost", "doubled", "cut")}
    said = ", ".join(f"{count} {fault}" for fault, count in harm.items())
    detail = f"{trial['sessions']} sessions, {account['given_up']} of them never let in "
    detail += f"({account['turned_away']} knocks refused), {account['sent']} utterances: {said}"
    p95_s = GIVEN_UP_S if trial["p95_s"] is None else trial["p95_s"]
    return Figure(name, p95_s, "s", detail, {"trial": trial})


def _measure_stock(ours: int) -> Figure:
    script = peers.find_stock_script()
    if script is None:
        return Figure("sessions_ratio", None, "x", peers.NO_SOURCE)
    with peers.stock_server(script) as url:
        run_bench(url, "--sessions=2", "--duration=5", "--max-cer=1")
        search = (f"--first={STOCK_FIRST}", f"--most={STOCK_MOST}", f"--duration={TRIAL_S}")
        found = run_bench(url, *search, "--max-cer=1")
    stock = int(found["sessions_within_objective"])
    detail = f"funasr_wss_server.py: {stock}, by the same load, right words not asked for"
    ratio = ours / stock if stock else None
    return Figure("sessions_ratio", ratio, "x", detail, {"search": found})


def _find_trial(found: dict[str, Any], sessions: int) -> dict[str, Any] | None:
    return next((trial for trial in found["trials"] if trial["sessions"] == sessions), None)


def _describe(trial: dict[str, Any]) -> str:
    profile = trial["profile"]
    return (
        f"phrases of {profile['median_s']:.1f} s, {profile['silence_ratio']:.0%} silence; "
        f"p95 {1000 * trial['p95_s']:.0f} ms, CER {trial['account']['cer']:.1%}, "
        f"the load itself {trial['generator_cores']:.2f} cores"
    )
