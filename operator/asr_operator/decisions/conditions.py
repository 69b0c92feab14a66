"""The conditions of a service: one verdict for each type, by rules in the order of the functions.

Ready says whether enough replicas serve, whatever version they run; Progressing whether the
operator or the cluster still changes something; the others what is in the way. A verdict that is
False says what to do about it.
"""

from dataclasses import dataclass

from asr_operator.api.names import Reason
from asr_operator.api.status import Truth
from asr_operator.decisions import failures
from asr_operator.decisions.rollout import Rollout
from asr_operator.state.plan import Plan, Problem, Refusal


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status, reason and message of a condition."""

    status: Truth
    reason: Reason
    message: str


def judge_spec(plan: Plan, refusals: tuple[Refusal, ...]) -> Verdict:
    """Decide SpecValid."""
    if plan.spec_problem is not None:
        return _false(plan.spec_problem)
    invalid = next((refusal for refusal in refusals if refusal.is_invalid), None)
    if invalid is not None:
        return _false(_explain_refusal(invalid))
    return Verdict("True", Reason.VALID, "The spec can be carried out.")


def judge_progress(plan: Plan, refusals: tuple[Refusal, ...], rollout: Rollout) -> Verdict:
    """Decide Progressing."""
    if plan.hold is not None:
        return _false(plan.hold)
    if plan.spec_problem is not None or any(refusal.is_invalid for refusal in refusals):
        return Verdict(
            "False", Reason.SPEC_INVALID, "No server is changed until the spec is corrected."
        )
    if refusals:
        return _false(_explain_refusal(refusals[0]))
    if not rollout.is_current:
        return Verdict("True", Reason.ROLLING_OUT, "The last change is being taken up.")
    counts = f"{rollout.updated} of {rollout.desired} replicas are of the current version"
    if rollout.is_complete:
        return Verdict("False", Reason.ROLLOUT_COMPLETE, f"{counts} and ready.")
    if rollout.deadline_exceeded:
        return Verdict(
            "False",
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            f"{counts} and no more became ready within spec.lifecycle.progressDeadlineSeconds."
            f" {_advise(rollout)}",
        )
    return Verdict("True", Reason.ROLLING_OUT, f"{counts}, {rollout.ready} are ready.")


def judge_model(rollout: Rollout) -> Verdict:
    """Decide ModelReady."""
    if rollout.model_failure is not None:
        return _false(rollout.model_failure)
    if rollout.has_loaded:
        return Verdict("True", Reason.LOADED, "A server of the current version has its model.")
    if rollout.is_loading:
        return Verdict("False", Reason.LOADING, "The servers are loading their model: wait.")
    return Verdict("Unknown", Reason.NO_SERVER, "No server of the current version runs yet.")


def judge_capacity(rollout: Rollout) -> Verdict:
    """Decide CapacityAvailable."""
    if rollout.capacity_failure is not None:
        return _false(rollout.capacity_failure)
    return Verdict("True", Reason.SCHEDULED, "No server pod waits for a node or for quota.")


def judge_readiness(spec: Verdict, progress: Verdict, rollout: Rollout) -> Verdict:
    """Decide Ready, with the verdicts on SpecValid and Progressing."""
    counts = f"{rollout.ready} of {rollout.desired} replicas are ready"
    if rollout.desired == 0 and spec.status == "True":
        return Verdict(
            "False", Reason.SCALED_TO_ZERO, "spec.replicas is 0. Raise it to serve sessions."
        )
    failure = find_failure(spec, progress, rollout)
    if rollout.ready >= rollout.needed:
        if failure is None:
            return Verdict("True", Reason.SERVING, f"{counts}.")
        if rollout.has_previous_version:
            return Verdict(
                "True",
                Reason.SERVING_PREVIOUS_VERSION,
                f"{counts}, of the previous version. {failure.message}",
            )
        return Verdict("True", Reason.SERVING, f"{counts}. {failure.message}")
    if failure is not None:
        return Verdict("False", failure.reason, f"{counts}. {failure.message}")
    return Verdict("False", Reason.STARTING, f"{counts}: wait for the servers to load.")


def find_failure(spec: Verdict, progress: Verdict, rollout: Rollout) -> Problem | None:
    """Return what keeps the service from what is asked for, the cause before its effects."""
    if spec.status == "False":
        return Problem(spec.reason, spec.message)
    if rollout.capacity_failure is not None:
        return rollout.capacity_failure
    if rollout.model_failure is not None:
        return rollout.model_failure
    if progress.status == "False" and progress.reason != Reason.ROLLOUT_COMPLETE:
        return Problem(progress.reason, progress.message)
    return None


def _false(problem: Problem) -> Verdict:
    return Verdict("False", problem.reason, problem.message)


def _explain_refusal(refusal: Refusal) -> Problem:
    detail = failures.shorten(refusal.message)
    text = f'Kubernetes refuses the {refusal.kind} "{refusal.name}": {detail}.'
    if refusal.is_invalid:
        return Problem(
            Reason.REFUSED_BY_KUBERNETES, f"{text} Correct the field of spec that it comes from."
        )
    return Problem(
        Reason.CHANGE_REFUSED, f"{text} Check quotas, policies and the operator's permissions."
    )


def _advise(rollout: Rollout) -> str:
    cause = rollout.capacity_failure or rollout.model_failure
    return cause.message if cause else "Look at the events of the server pods (kubectl describe)."
