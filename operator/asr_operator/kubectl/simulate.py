"""`kubectl asr simulate`: what the autoscaler would have made of a load, recorded or written down.

The code that decides is the operator's own; only pods, sessions and time are simulated.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from asr_operator.api.autoscaling import Autoscaling
from asr_operator.api.spec import AsrServiceSpec, InvalidSpec
from asr_operator.api.status import render_time
from asr_operator.autoscaler import schedule
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.kubectl import manifest, outcome, picture, query, ranges, recording, service_times
from asr_operator.kubectl.failure import PluginError
from asr_operator.kubectl.outcome import Told
from asr_operator.kubectl.page import Entry
from asr_operator.kubectl.service_times import ServiceTimes
from asr_operator.kubectl.subject import Subject
from asr_operator.simulation import pods, run, traces, workload
from asr_operator.simulation.policies import Policy, Shipped, View, Wanted
from asr_operator.simulation.profiles import Profile
from asr_operator.simulation.run import Scenario
from asr_operator.simulation.workload import Call

LINGER_S = 60.0
SLOWNESS = 1.4  # speech with its pauses, over the speech
MOST_REPLICAS = pods.SLOTS // 2


class SimulateError(PluginError):
    """There is nothing to simulate, or it cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """Sessions, from a moment in Unix seconds on, in words too; and how batches ran, if known."""

    calls: list[Call]
    begin: float
    duration_s: float
    source: str
    model: ServiceModel


@dataclass(slots=True)
class Watched:
    """A policy whose ticks are told: how far the simulation is, as a share of it."""

    policy: Policy
    duration_s: float
    tell: Callable[[float], None]

    @property
    def interval_s(self) -> float:
        """How often it is asked."""
        return self.policy.interval_s

    def decide(self, view: View) -> Wanted:
        """Decide as the policy does."""
        self.tell(view.now / self.duration_s)
        return self.policy.decide(view)


def simulate(given: argparse.Namespace, flags: list[str], now: datetime, width: int) -> str:
    """Return what would have been done, and draw it where that is asked for.

    `flags` are for kubectl. Raises `PluginError`.
    """
    seen = _read_service(given, flags)
    spec = read_spec(seen)
    load = _read_load(given, seen, now)
    times = service_times.choose_service_times(
        service_times.Wish(given.profile, given.batch_start_ms, given.batch_audio_ms),
        spec,
        seen.status.scaling_history,
        load.model,
    )
    if given.cold_start is not None:
        times = replace(times, cold_start_s=(given.cold_start, given.cold_start))
    told = describe(seen.name, spec, load, times)
    found = run_simulation(spec, seen.status.replicas, load, times, given.seed)
    _draw(given.picture, told.title, found, spec)
    shown = outcome.render_outcome(told, spec, found, width)
    hint = "" if given.picture else "\n\n--picture FILE.svg draws it."
    return f"{shown}{hint}"


def read_spec(seen: Subject) -> AsrServiceSpec:
    """Return the spec as it is simulated; raise `SimulateError` when nothing of it can be.

    Recommend is simulated as Auto; the bounds stay within what a simulation has room for.
    """
    if isinstance(seen.service.spec, InvalidSpec):
        raise SimulateError(f"{seen.name} cannot be simulated: {seen.service.spec.message}.")
    spec = seen.service.spec
    autoscaling, mode = spec.autoscaling, spec.autoscaling.mode
    if mode == "External":
        raise SimulateError(
            f"{seen.name} cannot be simulated: in mode External another autoscaler decides the"
            " replicas, and what it would do is not known here. Set spec.autoscaling.mode to Auto"
            " in the file to see what the operator would do."
        )
    if mode == "Off" and spec.batching.mode == "Fixed":
        raise SimulateError(
            f"{seen.name} has nothing to simulate: with autoscaling Off and batching Fixed nothing"
            " is ever decided. Set spec.autoscaling.mode or spec.batching.mode to Auto in the file."
        )
    if mode == "Off":
        fixed = min(MOST_REPLICAS, max(1, spec.replicas))
        return replace(
            spec,
            autoscaling=replace(autoscaling, min_replicas=fixed, max_replicas=fixed, schedules=()),
        )
    return replace(spec, autoscaling=_bound(replace(autoscaling, mode="Auto")))


def _bound(autoscaling: Autoscaling) -> Autoscaling:
    """Return bounds that a simulation has room for."""

    def cut(bound: int | None) -> int | None:
        return None if bound is None else min(MOST_REPLICAS, bound)

    return replace(
        autoscaling,
        min_replicas=min(MOST_REPLICAS, autoscaling.min_replicas),
        max_replicas=min(MOST_REPLICAS, autoscaling.max_replicas),
        schedules=tuple(
            replace(each, min_replicas=cut(each.min_replicas), max_replicas=cut(each.max_replicas))
            for each in autoscaling.schedules
        ),
    )


def run_simulation(
    spec: AsrServiceSpec, replicas: int, load: Load, times: ServiceTimes, seed: int
) -> run.Outcome:
    """Return what comes of a load that begins with `replicas`, or as many as the bounds allow."""
    bounds = schedule.put_in_force(spec.scaling, load.begin).autoscaling
    scenario = Scenario(
        workload=workload.build_workload(load.calls, load.duration_s, seed),
        profile=Profile(
            times.costs,
            times.cold_start_s,
            spec.runtime.max_sessions,
            spec.runtime.device == "cuda",
        ),
        objective_s=spec.objectives.final_latency_s,
        replicas=max(bounds.min_replicas, min(bounds.max_replicas, replicas)),
        batch_size=spec.batching.size,
        batch_audio_s=float(spec.batching.audio_s),
        max_wait_s=spec.batching.max_wait_ms / 1000,
        seed=seed,
    )
    policy = Watched(Shipped(spec.scaling, began_at=load.begin), load.duration_s, _tell_progress)
    return run.simulate(scenario, policy)


def describe(name: str, spec: AsrServiceSpec, load: Load, times: ServiceTimes) -> Told:
    """Return what is simulated, in words."""
    audio_h = sum(call.audio_s for call in load.calls) / 3600
    is_cut = spec.autoscaling.max_replicas == MOST_REPLICAS
    room = f" There is room for {MOST_REPLICAS} of them." if is_cut else ""
    modes = f"autoscaling {spec.autoscaling.mode}, batching {spec.batching.mode}"
    entries = (
        Entry("load", f"{len(load.calls)} sessions with {audio_h:.2f} h of audio, {load.source}."),
        Entry("times", f"{service_times.describe_costs(times.costs)} ({times.source})."),
        Entry(
            "pods",
            f"ready {times.cold_start_s[0]:g} to {times.cold_start_s[1]:g} s after their creation,"
            f" {spec.runtime.max_sessions} sessions each; CPU limits are not simulated.{room}",
        ),
    )
    begin = render_time(datetime.fromtimestamp(load.begin, UTC))
    title = f"{name}: {load.duration_s / 3600:.2f} h from {begin} on, simulated ({modes})."
    return Told(title, entries, load.begin)


def _read_service(given: argparse.Namespace, flags: list[str]) -> Subject:
    if given.file:
        return manifest.read_manifest(given.file, given.namespace)
    return query.read_services([given.name, *flags])[0]


def _read_load(given: argparse.Namespace, seen: Subject, now: datetime) -> Load:
    if given.trace:
        calls = _read_trace(given.trace)
        last_s = max(call.start_s + SLOWNESS * call.audio_s for call in calls)
        begin = ranges.parse_moment(given.begin, now) if given.begin else now.timestamp()
        return Load(calls, begin, last_s + LINGER_S, f"from {given.trace}", ServiceModel())
    span = ranges.parse_range(given.prometheus, now)
    token = ranges.read_token(given.prometheus_token_file)
    identity = seen.service.identity
    recorder = recording.Recorder(given.prometheus_url, token, identity.namespace, identity.name)
    found = recorder.read(span, given.seed)
    source = (
        f"drawn from what Prometheus recorded, each as long as a mean input, {found.call_s:.3g} s"
    )
    return Load(found.calls, span.begin, span.end - span.begin, source, found.model)


def _read_trace(path: str) -> list[Call]:
    try:
        with Path(path).open() as lines:
            return traces.parse_trace(lines)
    except traces.TraceError as error:
        raise SimulateError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SimulateError(f"{path} cannot be read: {error}") from None


def _draw(path: str | None, title: str, found: run.Outcome, spec: AsrServiceSpec) -> None:
    if path is None:
        return
    hours, panels = outcome.list_panels(found.rows, spec.objectives.quantile_ratio)
    try:
        Path(path).write_text(picture.draw_picture(title, hours, panels))
    except OSError as error:
        raise SimulateError(f"{path} cannot be written: {error}") from None


def _tell_progress(share: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rsimulated {100 * share:3.0f} % \r")
