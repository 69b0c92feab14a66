"""When, with what and on what something was measured: the head of every file in results/."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMIT = ("git", "describe", "--always", "--dirty", "--abbrev=10")


def describe_conditions(load_before: float) -> dict[str, Any]:
    """Return date, commit and machine; `load_before` is its load average before the measurement."""
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.run(COMMIT, cwd=ROOT, capture_output=True, text=True).stdout.strip(),
        "machine": {
            "processor": model,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": round(load_before, 1),
        },
    }
