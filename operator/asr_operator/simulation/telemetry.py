"""What Prometheus would know of the simulated pods: counters as of the last scrape, so late.

Rates are increases over the scrapes within a window, over the time between them. All pods are
scraped at the same moment, and counters are those of the service: a new pod is heard at once.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from asr_operator.api.autoscaling import DemandWindows, Objectives
from asr_operator.api.names import Reason
from asr_operator.simulation import columns
from asr_operator.simulation.profiles import Profile
from asr_operator.state import quantiles
from asr_operator.state.load import LoadSample, NoLoad, PodLoad, StageLoad

PEAK_STEP_S = 30.0
INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape brought; sessions and queued utterances by the name of the ready pod."""

    at: float
    counters: tuple[float, ...]
    sessions: dict[str, int]
    queued: dict[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two scrapes, per second; zero-based counters as in `kernel`."""

    rates: tuple[float, ...]
    length_s: float

    def buckets(self, begin: int, bounds: Sequence[float]) -> list[quantiles.Bucket]:
        """Return a histogram of it, cumulated as Prometheus has it."""
        total, found = 0.0, []
        for bound, rate in zip((*bounds, INFINITY), self.rates[begin:], strict=False):
            total += rate
            found.append((bound, total))
        return found

    @property
    def demand(self) -> float:
        """Return what arrives: what was received, and a mean input for each session refused."""
        audio, inputs = self.rates[columns.AUDIO], self.rates[columns.INPUTS]
        return audio + self.rates[columns.REFUSED] * (audio / inputs if inputs else 0.0)


@dataclass(slots=True)
class Telemetry:
    """The scrapes so far, oldest first."""

    scrapes: list[Scrape] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, scrape: Scrape) -> None:
        """Keep one more scrape."""
        self.scrapes.append(scrape)
        self.times.append(scrape.at)

    def find_window(self, now: float, length_s: float) -> Window | None:
        """Return what is known of the time before `now`; None before there are two scrapes."""
        first = bisect_left(self.times, now - length_s)
        last = bisect_left(self.times, now + 1e-9) - 1
        if last <= first:
            return None
        old, new = self.scrapes[first], self.scrapes[last]
        length = new.at - old.at
        pairs = zip(old.counters, new.counters, strict=True)
        return Window(tuple((after - before) / length for before, after in pairs), length)

    def build_sample(
        self, now: float, windows: DemandWindows, objectives: Objectives, profile: Profile
    ) -> LoadSample | NoLoad:
        """Return the load as the sampler would tell it."""
        window = self.find_window(now, windows.window_s)
        if window is None:
            return NoLoad(now, Reason.SERIES_MISSING, "nothing was scraped twice yet")
        scrape, rates = self.scrapes[-1], window.rates
        duty = rates[columns.BUSY] / max(1, len(scrape.sessions))
        work, quota = rates[columns.WORK] / max(1, len(scrape.sessions)), profile.costs.quota_ratio
        finals = window.buckets(columns.LATENCIES, columns.LATENCY_BOUNDS_S)
        waits = window.buckets(columns.WAITS, columns.WAIT_BOUNDS_S)
        return LoadSample(
            at=now,
            window_s=float(windows.window_s),
            pods=tuple(
                PodLoad(
                    pod=name,
                    age_s=now - scrape.at,
                    sessions=float(sessions),
                    demand_audio_ratio=window.demand / len(scrape.sessions),
                    duty_ratio=min(1.0, duty),
                    cpu_ratio=min(1.0, work / quota) if quota else 0.0,
                    gpu_ratio=min(1.0, duty) if profile.has_gpu else None,
                )
                for name, sessions in scrape.sessions.items()
            ),
            demand_audio_ratio=window.demand,
            demand_peak_ratio=max((window.demand, *self._find_peaks(now, windows))),
            refused_per_s=rates[columns.REFUSED],
            finals=rates[columns.FINALS] * windows.window_s,
            final_latency_s=quantiles.compute_quantile(objectives.quantile_ratio, finals),
            late_ratio=quantiles.compute_share_above(objectives.final_latency_s, finals),
            queue_wait_s=quantiles.compute_quantile(objectives.quantile_ratio, waits),
            stages=(_describe_stage(rates),),
        )

    def _find_peaks(self, now: float, windows: DemandWindows) -> Iterator[float]:
        ago_s = PEAK_STEP_S
        while ago_s <= windows.peak_s:
            window = self.find_window(now - ago_s, windows.window_s)
            if window is not None:
                yield window.rates[columns.AUDIO]
            ago_s += PEAK_STEP_S


def _describe_stage(rates: Sequence[float]) -> StageLoad:
    batches = rates[columns.BATCHES]
    return StageLoad(
        stage="asr",
        batches_per_s=batches,
        items_per_s=rates[columns.ITEMS],
        padded_audio_ratio=rates[columns.PADDED],
        busy_ratio=rates[columns.BUSY],
        size_bound_ratio=rates[columns.FULL] / batches if batches else 0.0,
    )
