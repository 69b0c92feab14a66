"""Runs of rules on loads with seeds, in as many processes as there are processors."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from asr_operator.simulation import run
from benchmarks.autoscaling import compiled
from benchmarks.autoscaling.contest import RULES, Settings, Stage
from benchmarks.autoscaling.loads import Load, burst, find_load
from benchmarks.autoscaling.measure import Figures, measure


@dataclass(frozen=True, slots=True)
class Job:
    """One load with one seed, and who is to serve it: by name, which rule and its settings."""

    load: str
    seed: int
    entries: tuple[tuple[str, str, Settings], ...]


Done = tuple[Job, dict[str, Figures]]


def run_job(job: Job) -> Done:
    """Run all entries of a job on the same arrivals."""
    workload, scenario = find_load(job.load).build(job.seed)
    stage = Stage(workload, scenario.profile)
    figures = {}
    for name, rule, settings in job.entries:
        policy = RULES[rule].make(settings, stage)
        figures[name] = measure(compiled.simulate(scenario, policy))
    return job, figures


def run_all(jobs: Iterable[Job], tell: Callable[[int], None]) -> Iterator[Done]:
    """Run jobs side by side; `tell` is called with how many are done."""
    compile_now()
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for count, done in enumerate(pool.imap_unordered(run_job, jobs), start=1):
            tell(count)
            yield done


def compile_now() -> None:
    """Compile before processes part; what was compiled must do what it does uncompiled."""
    workload, scenario = Load(burst(1.0, 0.5), duration_s=60.0).build(0)
    stage = Stage(workload, scenario.profile)
    rule = RULES["ours"]
    plain = run.simulate(scenario, rule.make(rule.defaults, stage))
    compiled.compile_kernel()
    if compiled.simulate(scenario, rule.make(rule.defaults, stage)) != plain:
        raise SystemExit("The compiled kernel does not do what the plain one does.")
