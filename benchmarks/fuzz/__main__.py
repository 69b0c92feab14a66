"""Talk to the session alone, or with --wire to a real server beside clients that mean well."""

import argparse
import asyncio
import json
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import conditions
from benchmarks.fuzz.conversation import Conversation

REPORT_S = 5.0
FINDINGS = 20  # after so many the rest would say the same


def run_sessions(seed: str, first: int, wanted: int) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Run conversations until `wanted` messages are said; return counts and findings."""
    totals: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    began, told = time.monotonic(), time.monotonic()
    number = first
    while totals["messages"] < wanted and len(findings) < FINDINGS:
        conversation = Conversation(f"{seed}-{number}")
        try:
            conversation.run()
        except Exception:  # noqa: BLE001  # whatever it is, it is a finding
            findings.append({"session": number, "what": traceback.format_exc(limit=-3)})
            print(f"FINDING in session {number}: {findings[-1]['what']}", flush=True)
        totals += conversation.counts
        totals["sessions"] += 1
        number += 1
        if time.monotonic() - told > REPORT_S:
            told = time.monotonic()
            rate = totals["messages"] / (told - began)
            print(
                f"{totals['messages']:,} of {wanted:,} messages, {rate:,.0f} a second", flush=True
            )
    return totals, findings


def main() -> int:
    """Parse the arguments, run, and print a summary as JSON; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--session", type=int, default=0, help="begin with this session")
    parser.add_argument("--wire", action="store_true", help="start a server and speak to that")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the summary there too")
    given = parser.parse_args()
    began, around = time.monotonic(), conditions.describe_conditions(os.getloadavg()[0])
    if given.wire:
        from benchmarks.fuzz import wire

        totals, findings = asyncio.run(wire.attack(given.seed, given.messages))
    else:
        totals, findings = run_sessions(given.seed, given.session, given.messages)
    summary = around | {
        "command": f"python -m benchmarks.fuzz {' '.join(sys.argv[1:])}",
        "seed": given.seed,
        "wire": given.wire,
        "took_s": round(time.monotonic() - began, 1),
        "counts": dict(sorted(totals.items())),
        "findings": findings,
    }
    text = json.dumps(summary, ensure_ascii=False, indent=2)
    print(text)
    if given.write is not None:
        given.write.write_text(text + "\n", encoding="utf-8")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
