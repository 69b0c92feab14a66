"""Live 2pass sessions within 500 ms on a device, by asr-bench."""

from typing import Any

from benchmarks.server.benching import run_bench
from benchmarks.serving import Server

FIRST, MOST, TRIAL_S = 64, 1024, 15


def measure(device: str, *, small: bool) -> dict[str, Any]:
    """Look for the largest number with the demo models, in float32."""
    first, most, trial_s = (2, 2, 5) if small else (FIRST, MOST, TRIAL_S)
    flags = (f"--device={device}", "--max-sessions=4000", "--batch-size=128")
    with Server(*flags) as server:
        run_bench(server.url, "--sessions=2", f"--duration={trial_s}")
        search = (f"--first={first}", f"--most={most}", f"--duration={trial_s}")
        found = run_bench(server.url, *search, f"--metrics-url={server.metrics_url}")
    return {"sessions_within_500_ms": found["sessions_within_objective"], "search": found}
