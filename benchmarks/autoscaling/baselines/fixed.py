"""As many replicas as somebody once chose."""

from dataclasses import dataclass

from asr_operator.simulation.policies import View, Wanted


@dataclass(frozen=True, slots=True)
class Fixed:
    """Decides nothing."""

    replicas: int
    batch_size: int
    interval_s: float = 15.0

    def decide(self, view: View) -> Wanted:
        """Return what was chosen."""
        return Wanted(self.replicas, self.batch_size)
