"""Measure the server and write it down: python -m benchmarks.server [PART...]

Without a part all are measured, in about 17 minutes on two cores. FUNASR_SRC may name a
checkout of FunASR, for the peers that are not on PyPI. Figures go to results/server.json, and the
table of README.md here is made from it; figures of parts that are not measured stay as they are.
"""

import argparse
import importlib
import json
import os
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import conditions
from benchmarks.server import figures
from benchmarks.server.figures import Figure

PARTS = (
    "files",
    "large",
    "sessions",
    "fill",
    "front",
    "idle",
    "churn",
    "lag",
    "retunes",
    "recovery",
    "hang",
    "poison",
    "memory",
    "fairness",
)
PAGE = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parents[1] / "results" / "server.json"


def main() -> int:
    """Measure the parts; return 1 if one could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", metavar="PART", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--dry", action="store_true", help="print, and write nothing down")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}: there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers end too
    failed = 0
    # before results make the tree dirty and the parts load the machine
    machine = conditions.describe_conditions(os.getloadavg()[0])
    for part in given.parts or PARTS:
        about = machine | {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": f"python -m benchmarks.server {part}",
        }
        began = time.monotonic()
        try:
            found = importlib.import_module(f"benchmarks.server.parts.{part}").measure()
        except Exception:  # noqa: BLE001  # the parts after it may work
            print(f"{part}: FAILED: {traceback.format_exc()}", file=sys.stderr, flush=True)
            failed = 1
            continue
        for figure in found:
            print(_render(figure), flush=True)
        print(f"  ({part} took {time.monotonic() - began:.0f} s)", flush=True)
        if not given.dry:
            write(found, about)
    return failed


def write(found: list[Figure], about: dict[str, object]) -> None:
    """Write figures into the results and the table."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = figures.merge(known, found, about)
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(figures.replace_table(page, figures.render_table(results)), encoding="utf-8")


def _render(figure: Figure) -> str:
    goal = figures.GOALS[figure.name]
    if figure.value is None:
        return f"{goal.what}: not measured: {figure.detail}"
    verdict = "" if str(goal) == "-" else " met" if goal.is_met(figure.value) else " MISSED"
    return f"{goal.what}: {figure.value:.4g} {figure.unit} (goal {goal}{verdict}); {figure.detail}"


if __name__ == "__main__":
    sys.exit(main())
