"""How long server pods compute, and how long they take to start. Values only."""

from dataclasses import dataclass
from typing import NamedTuple


class Costs(NamedTuple):
    """How long a batch takes.

    `start_s + audio_s` for each padded audio second, at least `floor_s`, is computed. Where there
    is a CPU quota, `quota_ratio` of each period of `period_s` may be computed (0: all of it), by
    all batches of a pod together. Padding adds `padding_ratio` of the audio.
    """

    start_s: float
    audio_s: float
    floor_s: float = 0.0
    quota_ratio: float = 0.0
    period_s: float = 0.1
    padding_ratio: float = 0.1


class Limits(NamedTuple):
    """What bounds batches and sessions of one pod, and what finals are held to."""

    batch_size: int
    batch_audio_s: float
    max_wait_s: float
    max_sessions: int
    objective_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of server pod; a pod is ready `cold_start_s` (from, to) after its creation.

    `has_gpu` says that the utilization of its GPU is measured.
    """

    costs: Costs
    cold_start_s: tuple[float, float] = (40.0, 80.0)
    max_sessions: int = 60
    has_gpu: bool = False
