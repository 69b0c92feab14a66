"""Runs that are done, so that a benchmark that was interrupted goes on where it was.

Each line is one load with one seed, under a fingerprint of everything that figures follow from:
runs of other code, traces or settings do not count.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.autoscaling.measure import Figures
from benchmarks.autoscaling.running import Job

ROOT = Path(__file__).parents[2]
PATH = ROOT / "build" / "autoscaling" / "runs.jsonl"
SOURCES = (
    "operator/asr_operator/api/autoscaling.py",
    "operator/asr_operator/autoscaler/*.py",
    "operator/asr_operator/simulation/*.py",
    "operator/asr_operator/state/*.py",
    "benchmarks/autoscaling/baselines/*.py",
    "benchmarks/autoscaling/traces/*.gz",
    "benchmarks/autoscaling/tuned.json",
    *(
        f"benchmarks/autoscaling/{name}.py"
        for name in ("compiled", "contest", "loads", "measure", "oracles", "running")
    ),
)

Runs = dict[tuple[str, str, int], Figures]
"""By load, entry and seed."""


def take_fingerprint(root: Path = ROOT) -> str:
    """Return what changes with all that figures follow from."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(f"{path.relative_to(root)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Journal:
    """The runs of this code that are done, on disk as soon as they are."""

    def __init__(self, path: Path = PATH, fingerprint: str | None = None) -> None:
        self.path = path
        self._fingerprint = fingerprint or take_fingerprint()
        self.runs: Runs = {}
        for line in self._read():
            self._keep(line["load"], line["seed"], line["figures"])

    def add(self, job: Job, figures: dict[str, Figures]) -> None:
        """Keep what came of a job."""
        self._keep(job.load, job.seed, figures)
        line = {"code": self._fingerprint, "load": job.load, "seed": job.seed, "figures": figures}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def leave_out_done(self, job: Job) -> Job:
        """Return the job without the entries that are done."""
        left = (entry for entry in job.entries if (job.load, entry[0], job.seed) not in self.runs)
        return Job(job.load, job.seed, tuple(left))

    def _keep(self, load: str, seed: int, figures: dict[str, Figures]) -> None:
        self.runs.update({(load, name, seed): found for name, found in figures.items()})

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        for text in self.path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # the last line of a run that was killed
            if line["code"] == self._fingerprint:
                yield line
