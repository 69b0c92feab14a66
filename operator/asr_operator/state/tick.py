"""What one tick of the loop knows of a service, and what it decided."""

from dataclasses import dataclass

from asr_operator.state.load import LoadSample, NoLoad, PodLoad
from asr_operator.state.scaling import ScalingDecision


@dataclass(frozen=True, slots=True)
class Tick:
    """The load, and the autoscaler's decision; there is none while nothing may be changed."""

    load: LoadSample | NoLoad
    decision: ScalingDecision | None = None

    def find_pod(self, name: str) -> PodLoad | None:
        """Return what a server pod last reported, or None."""
        if isinstance(self.load, NoLoad):
            return None
        return next((load for load in self.load.pods if load.pod == name), None)
