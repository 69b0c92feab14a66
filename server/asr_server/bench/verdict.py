"""Whether a trial is within the objective, and if not, why. Pure."""

from dataclasses import dataclass

from asr_server.bench.trial import Trial

LATE_RATIO = 0.05


@dataclass(frozen=True, slots=True)
class Objective:
    """What has to hold: all finals there, most of them in time, nearly all characters right."""

    p95_s: float
    max_cer: float


def find_faults(trial: Trial, objective: Objective) -> list[str]:
    """Return what is wrong with a trial, in words; nothing when it holds."""
    account = trial.account
    counts = {
        "lost": account.lost,
        "doubled": account.doubled,
        "mixed up": account.mixed_up,
        "refused": account.refused,
        "cut": account.cut,
        "turned away": account.turned_away,
    }
    faults = [f"{count} {name}" for name, count in counts.items() if count]
    if trial.p95_s is not None and trial.p95_s > objective.p95_s:
        faults.append(f"p95 {1000 * trial.p95_s:.0f} ms over {1000 * objective.p95_s:.0f} ms")
    if account.cer > objective.max_cer:
        faults.append(f"CER {account.cer:.1%} over {objective.max_cer:.1%}")
    if not account.sent:
        faults.append("nothing was said")
    return faults


def find_doubts(trial: Trial) -> list[str]:
    """Return what makes a trial say less about the server than it seems to."""
    doubts = []
    if trial.late_ratio > LATE_RATIO:
        doubts.append(
            f"{trial.late_ratio:.0%} of the messages were sent over 0.1 s late: this machine or "
            "the load itself is too slow"
        )
    if trial.generator_cores > 0.8:
        doubts.append(f"the load took {trial.generator_cores:.2f} cores of its one")
    return doubts
