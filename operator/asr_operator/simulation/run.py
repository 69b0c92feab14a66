"""One simulated stretch of time: a workload, pods of a profile, and a policy that decides.

The model is `kernel`; what is around it happens between its calls: ticks, scrapes, pods that
become ready, outages.
"""

import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asr_operator.simulation import columns, kernel, sessions
from asr_operator.simulation.columns import State
from asr_operator.simulation.pods import SLOTS, Pods
from asr_operator.simulation.policies import Policy, View, Wanted
from asr_operator.simulation.profiles import Limits, Profile
from asr_operator.simulation.telemetry import Scrape, Telemetry
from asr_operator.simulation.workload import Workload
from asr_operator.state.scaling import Change, Fleet

LONGEST_STEP_S = 5.0
SOON_S = 1e-9

Pack = Callable[[Sequence[Any]], Any]
"""Makes a column; `list`, or an array for the compiled kernel."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. Policies begin with `replicas` ready pods and `batch_size`."""

    workload: Workload
    profile: Profile
    objective_s: float
    replicas: int = 1
    batch_size: int = 4
    batch_audio_s: float = 120.0
    max_wait_s: float = 0.02
    scrape_s: float = 15.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """The state at one scrape; `counters` are those of `kernel`, since the beginning."""

    at: float
    desired: int
    ready: int
    batch_size: int
    sessions: int
    counters: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; `pods_s` is for how long pods were held, all together."""

    duration_s: float
    counters: tuple[float, ...]
    pods_s: float
    changes: tuple[Change, ...]
    changed: int
    rows: tuple[Row, ...]

    @property
    def violation_ratio(self) -> float:
        """Return the share of finals that came later than the objective, or not at all."""
        due = self.counters[columns.FINALS] + self.counters[columns.UNANSWERED]
        return self.counters[columns.LATE] / due if due else 0.0


def build_state(workload: Workload, pack: Pack = list) -> State:
    """Return the state at the beginning."""
    sessions, utterances = len(workload.start_s), len(workload.due_s)
    leaving = sorted(range(sessions), key=workload.end_s.__getitem__)
    return State(
        start_s=pack(workload.start_s),
        end_s=pack(workload.end_s),
        luck=pack(workload.luck),
        leaving=pack(leaving),
        pod_of=pack(_repeat(columns.NOBODY, sessions)),
        owed=pack(_repeat(0, sessions)),
        tries=pack(_repeat(0, sessions)),
        lobby_since=pack(_repeat(0.0, sessions)),
        held_first=pack(_repeat(columns.NOBODY, sessions)),
        held_last=pack(_repeat(columns.NOBODY, sessions)),
        due_s=pack(workload.due_s),
        audio_s=pack(workload.audio_s),
        caller=pack(workload.caller),
        came_s=pack(_repeat(0.0, utterances)),
        following=pack(_repeat(columns.NOBODY, utterances)),
        sessions=pack(_repeat(0, SLOTS)),
        free_at=pack(_repeat(-1.0, SLOTS)),
        first=pack(_repeat(columns.NOBODY, SLOTS)),
        last=pack(_repeat(columns.NOBODY, SLOTS)),
        queued=pack(_repeat(0, SLOTS)),
        is_draining=pack(_repeat(0, SLOTS)),
        quota_period=pack(_repeat(-1, SLOTS)),
        quota_used_s=pack(_repeat(0.0, SLOTS)),
        ready=pack(_repeat(0, SLOTS)),
        draining=pack(_repeat(0, SLOTS)),
        counters=pack(_repeat(0.0, columns.COUNTERS)),
        cursors=pack(_repeat(0, columns.CURSORS)),
    )


def _repeat(value: float, count: int) -> Sequence[float]:
    """Return a column of one value; a buffer, as lists of many objects are slow to read."""
    return array("q" if isinstance(value, int) else "d", [value]) * count


@dataclass(slots=True)
class Run:
    """A simulation under way."""

    scenario: Scenario
    policy: Policy
    state: State
    pods: Pods
    batch_size: int
    telemetry: Telemetry = field(default_factory=Telemetry)
    changes: list[Change] = field(default_factory=list)
    changed: int = 0
    rows: list[Row] = field(default_factory=list)

    def advance(self, now: float, until: float) -> None:
        """Let time pass, and whatever happens at its end."""
        scenario = self.scenario
        limits = Limits(
            batch_size=self.batch_size,
            batch_audio_s=scenario.batch_audio_s,
            max_wait_s=scenario.max_wait_s,
            max_sessions=scenario.profile.max_sessions,
            objective_s=scenario.objective_s,
        )
        kernel.advance(self.state, limits, scenario.profile.costs, now, until)
        self.pods.settle(until)

    def scrape(self, now: float) -> None:
        """Let Prometheus look at the pods."""
        ready = self.pods.find_ready(now)
        sessions = {pod.name: int(self.state.sessions[pod.slot]) for pod in ready}
        queued = {pod.name: int(self.state.queued[pod.slot]) for pod in ready}
        counters = tuple(float(value) for value in self.state.counters)
        self.telemetry.add(Scrape(now, counters, sessions, queued))
        self.rows.append(
            Row(
                at=now,
                desired=self.pods.desired,
                ready=len(ready),
                batch_size=self.batch_size,
                sessions=sum(sessions.values()),
                counters=counters,
            )
        )

    def tick(self, now: float) -> None:
        """Let the policy decide, and do what it wants."""
        wanted = self.policy.decide(self._look(now))
        self.changed += wanted.replicas != self.pods.desired
        self.changed += wanted.batch_size != self.batch_size
        self.changes += wanted.changes
        self.batch_size = wanted.batch_size
        self._resize(wanted, now)

    def _resize(self, wanted: Wanted, now: float) -> None:
        if wanted.replicas != self.pods.desired:
            self.pods.resize(wanted.replicas, now)

    def _look(self, now: float) -> View:
        ready = self.pods.find_ready(now)
        fleet = Fleet(
            desired=self.pods.desired,
            ready=tuple(pod.name for pod in ready),
            unready=len(self.pods.find_starting(now)),
            cold_start_s=self.pods.cold_start_measured_s(now),
            batch_size=self.batch_size,
            max_sessions=self.scenario.profile.max_sessions,
        )
        return View(
            now=now,
            fleet=fleet,
            telemetry=self.telemetry,
            profile=self.scenario.profile,
            sessions=tuple(int(self.state.sessions[pod.slot]) for pod in ready),
            queued=tuple(int(self.state.queued[pod.slot]) for pod in ready),
        )


def simulate(scenario: Scenario, policy: Policy, pack: Pack = list) -> Outcome:
    """Run a scenario to its end."""
    run = _begin(scenario, policy, pack)
    outages = sorted(scenario.workload.outages, key=lambda outage: outage.at_s)
    now, end = 0.0, scenario.workload.duration_s
    scrape_at = scenario.scrape_s * (scenario.seed * columns.GOLDEN % 1.0)
    tick_at = policy.interval_s
    while now < end:
        starting = [pod.ready_at for pod in run.pods.find_starting(now)]
        dies = [outage.at_s for outage in outages]
        until = min(end, now + LONGEST_STEP_S, scrape_at, tick_at, *starting, *dies)
        run.advance(now, until)
        now = until
        while outages and outages[0].at_s <= now + SOON_S:
            run.pods.kill(outages.pop(0).ratio, now)
        if now + SOON_S >= scrape_at:
            run.scrape(now)
            scrape_at += scenario.scrape_s
        if now + SOON_S >= tick_at:
            run.tick(now)
            tick_at += policy.interval_s
    return _conclude(run, now)


def _begin(scenario: Scenario, policy: Policy, pack: Pack) -> Run:
    state = build_state(scenario.workload, pack)
    draw = random.Random(scenario.seed)
    pods = Pods(state, scenario.profile.cold_start_s, draw)
    pods.start(scenario.replicas)
    return Run(scenario, policy, state, pods, scenario.batch_size)


def _conclude(run: Run, now: float) -> Outcome:
    """Count what still waits, and should not any more, as late."""
    counters = [float(value) for value in run.state.counters]
    overdue = sessions.count_overdue(run.state, now - run.scenario.objective_s)
    counters[columns.LATE] += overdue
    counters[columns.UNANSWERED] += overdue
    return Outcome(
        duration_s=now,
        counters=tuple(counters),
        pods_s=run.pods.total_held_s(now),
        changes=tuple(run.changes),
        changed=run.changed,
        rows=tuple(run.rows),
    )
