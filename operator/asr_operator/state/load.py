"""What Prometheus knows about the load of one service at one moment. Values only.

None means that nothing is known: the series is absent, stale, NaN, or a sentinel. It never means
zero. Rates are per second over `window_s`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodLoad:
    """What one server pod last reported; `age_s` is how old the youngest sample of it is."""

    pod: str
    age_s: float
    sessions: float | None = None
    session_limit: float | None = None
    duty_ratio: float | None = None
    gpu_ratio: float | None = None
    config_generation: int | None = None
    batch_size_limit: int | None = None


@dataclass(frozen=True, slots=True)
class StageLoad:
    """How one stage of the engine runs, all pods together.

    `padded_audio_ratio` and `busy_ratio` are padded audio seconds and busy seconds per second;
    `size_bound_ratio` is the share of batches that `batch_size` closed.
    """

    stage: str
    batches_per_s: float
    items_per_s: float
    padded_audio_ratio: float
    busy_ratio: float
    size_bound_ratio: float


@dataclass(frozen=True, slots=True)
class LoadSample:
    """The load of one service.

    Demand is what arrived, refused sessions included: `demand_audio_ratio` in audio seconds per
    second over the window, `demand_peak_ratio` the highest of it in the last minutes.
    `final_latency_s` and `queue_wait_s` are quantiles over `finals` answers of the window.
    """

    at: float
    window_s: float
    pods: tuple[PodLoad, ...] = ()
    demand_audio_ratio: float | None = None
    demand_peak_ratio: float | None = None
    refused_per_s: float | None = None
    finals: float | None = None
    final_latency_s: float | None = None
    queue_wait_s: float | None = None
    stages: tuple[StageLoad, ...] = ()


@dataclass(frozen=True, slots=True)
class NoLoad:
    """Why there is no sample at all; `message` says what to do."""

    at: float
    reason: str
    message: str
