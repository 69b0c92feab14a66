"""What is wrong with a server pod, and what to do about it.

Messages must not change from one look at the same failure to the next (no pod names, no counters):
every change of a message is a write of the status.
"""

from asr_operator.api.names import Reason
from asr_operator.api.spec import AsrServiceSpec
from asr_operator.decisions import secret_failures
from asr_operator.state.observed import ObservedPod, Termination
from asr_operator.state.plan import Problem

LONGEST_DETAIL = 600

PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)

EXIT_MODEL = 1
EXIT_SETTINGS = 2


def find_model_failure(pod: ObservedPod) -> Problem | None:
    """Return why a server pod has not loaded its model and will not by itself, or None."""
    if pod.is_ready:
        return None
    if pod.waiting_reason in PULL_REASONS:
        return Problem(
            Reason.IMAGE_PULL_FAILED,
            f"The server image cannot be pulled: {_tail(pod.waiting_message, 'ErrImagePull: ')}."
            " Correct spec.runtime.image, or give the operator a pull secret for it.",
        )
    if pod.waiting_reason in CONFIG_REASONS:
        return Problem(
            Reason.CONTAINER_CONFIG_FAILED,
            f"The server container cannot be started: {shorten(pod.waiting_message)}.",
        )
    if pod.mount_failure:
        return secret_failures.explain_mount_failure(shorten(pod.mount_failure))
    if pod.terminated is not None:
        return _explain_termination(pod.terminated)
    if pod.unschedulable is not None:
        return find_claim_failure(pod.unschedulable)
    return None


def find_claim_failure(scheduler_message: str) -> Problem | None:
    """Return what is wrong with the model's claim by the scheduler's message, or None."""
    detail = _first_sentence(scheduler_message)
    if "persistentvolumeclaim" in scheduler_message and "not found" in scheduler_message:
        return Problem(
            Reason.CLAIM_MISSING,
            f"{detail}. Create the claim, or correct spec.model.pvc.claimName.",
        )
    if "unbound immediate PersistentVolumeClaims" in scheduler_message:
        return Problem(
            Reason.CLAIM_NOT_BOUND,
            f"{detail}. Check the storage class and the size of the claim in"
            " spec.model.pvc.claimName.",
        )
    return None


def find_capacity_failure(pod: ObservedPod, spec: AsrServiceSpec | None) -> Problem | None:
    """Return why no node takes a server pod, or None."""
    if pod.unschedulable is None or find_claim_failure(pod.unschedulable):
        return None
    detail = _first_sentence(pod.unschedulable)
    resource = spec.runtime.gpu_resource_name if spec else ""
    if resource and f"Insufficient {resource}" in pod.unschedulable:
        return Problem(
            Reason.INSUFFICIENT_GPU,
            f"{detail}. No node has a free {resource}: add GPU nodes, lower spec.replicas, use"
            " spec.lifecycle.maxSurge 0 with maxUnavailable 1, or set spec.runtime.device to cpu.",
        )
    return Problem(
        Reason.UNSCHEDULABLE,
        f"{detail}. Add nodes, or lower spec.runtime.resources.requests or spec.replicas, or"
        " correct spec.placement.nodeSelector.",
    )


def explain_pod_refusal(message: str) -> Problem:
    """Return why the API server refuses new server pods."""
    detail = shorten(message)
    if "exceeded quota" in message:
        return Problem(
            Reason.QUOTA_EXCEEDED,
            f"{detail}. Raise the ResourceQuota of the namespace, or lower spec.replicas or"
            " spec.runtime.resources.",
        )
    return Problem(Reason.POD_REFUSED, f"Kubernetes refuses the server pods: {detail}.")


def shorten(text: str) -> str:
    """Return a foreign message on one line, bounded, without its last full stop."""
    flat = " ".join(text.split()).rstrip(".")
    return flat if len(flat) <= LONGEST_DETAIL else flat[: LONGEST_DETAIL - 3] + "..."


def _explain_termination(ended: Termination) -> Problem | None:
    detail = shorten(ended.message) or "see its log (kubectl logs --previous)"
    if ended.reason == "OOMKilled":
        return Problem(
            Reason.OUT_OF_MEMORY,
            "The server was killed because it used more memory than allowed. Raise"
            " spec.runtime.resources.limits.memory, or lower spec.batching.",
        )
    if ended.exit_code == EXIT_MODEL:
        return Problem(
            Reason.MODEL_FAILED,
            f"The server could not load its model: {detail}. Correct spec.model: its folder must"
            " hold asr, vad and, optionally, punc.",
        )
    if ended.exit_code == EXIT_SETTINGS:
        advice = secret_failures.advise(ended.message) or (
            "Correct spec.runtime, or run a server image that fits this operator."
        )
        return Problem(
            Reason.SETTINGS_REFUSED, f"The server refuses its settings: {detail}. {advice}"
        )
    if ended.exit_code == 0:
        return None
    return Problem(
        Reason.SERVER_CRASHED, f"The server ended with exit code {ended.exit_code}: {detail}."
    )


def _first_sentence(scheduler_message: str) -> str:
    """Return what no node has; the rest tells what preemption could not do about it either."""
    return shorten(scheduler_message.partition(". ")[0])


def _tail(text: str, marker: str) -> str:
    """Return what follows the last marker: a back-off repeats the error that led to it."""
    return shorten(text.rpartition(marker)[2])
