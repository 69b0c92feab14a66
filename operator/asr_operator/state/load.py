"""What Prometheus knows about the load of one service at one moment. Values only.

None means that nothing is known: the series is absent, stale, NaN, or a sentinel. It never means
zero. Rates are per second over `window_s`.
"""

from dataclasses import dataclass

from asr_operator.api.names import Reason


@dataclass(frozen=True, slots=True)
class LoadQuestion:
    """What one service wants to know, and how often; times in seconds.

    `quantile` is that of the latencies, in (0, 1); finals that take longer than `objective_s` are
    late. Samples older than `stale_s` are unknown.
    `new_pods` have not been ready for a window yet: what is known of the others' GPUs is enough.
    """

    interval_s: float = 15.0
    window_s: float = 60.0
    peak_s: float = 120.0
    stale_s: float = 90.0
    quantile: float = 0.95
    new_pods: frozenset[str] = frozenset()
    objective_s: float = 0.5


@dataclass(frozen=True, slots=True)
class PodLoad:
    """What one server pod last reported; `age_s` is how old the youngest sample of it is.

    All but the name and the age is None when that is older than the question allows. Values are
    finite and not negative, but not checked for sense: a duty of 2 is told as it is. `cpu_ratio`
    is what is used of the CPU limit, 0 without a limit.
    """

    pod: str
    age_s: float
    sessions: float | None = None
    session_limit: float | None = None
    demand_audio_ratio: float | None = None
    duty_ratio: float | None = None
    cpu_ratio: float | None = None
    gpu_ratio: float | None = None
    config_generation: int | None = None
    batch_size_limit: int | None = None


@dataclass(frozen=True, slots=True)
class StageLoad:
    """How the engine runs by the batches of one stage, all pods together.

    `padded_audio_ratio` and `busy_ratio` are padded audio seconds and busy seconds per second, busy
    those of all stages that have no entry of their own; `size_bound_ratio` is the share of batches
    that `batch_size` closed. Prometheus is asked for the recognizer's batches alone.
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

    Demand is what arrived, in audio seconds per second over the window: what was received, and
    for each session that found a server full the audio of a mean input; where engines are busy,
    also for each that was refused because a server is late. `demand_peak_ratio`
    is the highest of it in the last `peak_s`; what was refused counts there for the window only.
    `final_latency_s` and `queue_wait_s` are quantiles over the window, None without any answer;
    where a quantile lies beyond the last bucket it is the bound of that bucket. `finals` is how
    many answers `final_latency_s` rests on, `late_ratio` the share of them that was late: those of
    live speech where there were any, else those of files. Where a
    pod is silent or reports nonsense these are sums over the others; the pod itself is missing or
    has None where it should have a value.
    `gpu_signal` is the series that `gpu_ratio` of all pods comes from; `gpus_are_shared` says that
    a GPU is another pod's too, by time-slicing.
    `at` is the operator's clock; ages are taken from Prometheus' clock alone.
    """

    at: float
    window_s: float
    pods: tuple[PodLoad, ...] = ()
    demand_audio_ratio: float | None = None
    demand_peak_ratio: float | None = None
    refused_per_s: float | None = None
    finals: float | None = None
    late_ratio: float | None = None
    final_latency_s: float | None = None
    queue_wait_s: float | None = None
    stages: tuple[StageLoad, ...] = ()
    gpu_signal: str | None = None
    gpus_are_shared: bool = False


@dataclass(frozen=True, slots=True)
class NoLoad:
    """Why there is no sample at all; `message` says what to do."""

    at: float
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class BatchPoint:
    """The mean batch of a stage over a minute of the past, all pods of a service together."""

    at: float
    stage: str
    batches_per_s: float
    padded_audio_s: float
    busy_s: float
