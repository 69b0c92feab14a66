"""Measure on a CUDA machine that has the repository and torch: python -m benchmarks.gpu

Unattended: each figure is written to benchmarks/results/gpu.json as soon as it is there, and a part
that fails is written down as failed. Parts may be run one by one: others of the same machine stay.
Exit status: 0 all was measured, 1 some was not, 2 packages are missing, 3 there is no CUDA device.
"""

import argparse
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PARTS = ("correctness", "throughput", "peer", "sessions", "timeline")
NEEDED = ("torch", "numpy", "msgspec", "prometheus_client", "soxr", "websockets", "yaml")
RESULTS = Path(__file__).parents[1] / "results" / "gpu.json"
OK, SOME_FAILED, MISSING, NO_DEVICE = 0, 1, 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Measure all parts; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", metavar="PART", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--device", default="cuda", help="cpu tries the parts where no GPU is")
    parser.add_argument("--small", action="store_true", help="small sizes: to try the parts")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where to write")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}: there are {', '.join(PARTS)}")
    if missing := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        print(
            f"missing: {', '.join(missing)}. On a machine with a network: make gpu-packages, and "
            "copy build/gpu-packages along with the repository",
            file=sys.stderr,
        )
        return MISSING
    device = describe_device(given.device)
    if device is None:
        print("no CUDA device: torch finds none here", file=sys.stderr)
        return NO_DEVICE
    return run_parts(given, device)


def describe_device(name: str) -> dict[str, Any] | None:
    """Return what the device is; None if it is a GPU and there is none."""
    import torch

    about: dict[str, Any] = {"device": name, "torch": torch.__version__, "cores": os.cpu_count()}
    if not name.startswith("cuda"):
        return about
    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(name)
    return about | {
        "gpu": found.name,
        "memory_gib": round(found.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
    }


def run_parts(given: argparse.Namespace, device: dict[str, Any]) -> int:
    """Measure each part and write it down."""
    about: dict[str, Any] = {"machine": device, "small": given.small}
    results = about | {"parts": _read_parts(given.json, about)}
    failed = False
    for part in given.parts or PARTS:
        began = time.monotonic()
        print(f"{part}:", flush=True)
        found: dict[str, Any] = {"ok": False, "error": "it was broken off"}
        results["parts"][part] = found
        try:
            module = importlib.import_module(f"benchmarks.gpu.{part}")
            for name, value in module.measure(given.device, small=given.small):
                found[name] = value
                print(f"  {name}: {json.dumps(value, ensure_ascii=False)}", flush=True)
                _write(given.json, results, part, began)
            found["ok"] = True
            del found["error"]
        except Exception as error:  # noqa: BLE001  # unattended: the next part may work
            found["error"] = f"{type(error).__name__}: {error}"
            print(f"  {found['error']}", flush=True)
            failed = True
        _write(given.json, results, part, began)
    return SOME_FAILED if failed else OK


def _write(path: Path, results: dict[str, Any], part: str, began: float) -> None:
    """Write down all that is known: time may run out."""
    results["parts"][part] |= {
        "took_s": round(time.monotonic() - began, 1),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n")


def _read_parts(written: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Return what an earlier run measured on the same machine: parts may be run one by one."""
    known = json.loads(written.read_text()) if written.exists() else {}
    same = all(known.get(key) == value for key, value in about.items())
    return dict(known["parts"]) if same else {}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers end too
    sys.exit(main())
