"""How far the server pods are: what serves, what is being replaced, what fails.

Only pods of the newest template are judged: the others are on their way out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from asr_operator.api.spec import AsrServiceSpec, InvalidSpec
from asr_operator.decisions import failures
from asr_operator.state.observed import Observed, ObservedDeployment, ObservedPod
from asr_operator.state.plan import Problem


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of the fleet.

    `needed` is how many ready replicas make the service available while servers are replaced.
    `is_current` says that the counts are about the last change of the Deployment;
    `is_complete` says that every replica runs the current template and is ready;
    `has_previous_version` that some still run an older one; `is_loading` that a server of the
    current template runs and is not ready; `has_loaded` that one is ready.
    """

    desired: int
    needed: int
    ready: int
    updated: int
    is_current: bool
    is_complete: bool
    deadline_exceeded: bool
    has_previous_version: bool
    is_loading: bool
    has_loaded: bool
    model_failure: Problem | None
    capacity_failure: Problem | None


def judge_rollout(observed: Observed) -> Rollout:
    """Return the state of the fleet from what was observed."""
    spec = None if isinstance(observed.service.spec, InvalidSpec) else observed.service.spec
    deployment = observed.deployment or ObservedDeployment(is_current=False)
    desired = _find_desired(spec, observed.deployment)
    current = select_newest(observed.pods)
    return Rollout(
        desired=desired,
        needed=max(1, desired - (spec.lifecycle.max_unavailable if spec else 0)),
        ready=deployment.ready_replicas,
        updated=deployment.updated_replicas,
        is_current=deployment.is_current,
        is_complete=_is_complete(deployment, desired),
        deadline_exceeded=deployment.is_current and deployment.deadline_exceeded,
        has_previous_version=deployment.replicas > deployment.updated_replicas,
        is_loading=any(pod.is_running and not pod.is_ready for pod in current),
        has_loaded=any(pod.is_ready for pod in current),
        model_failure=_first(failures.find_model_failure(pod) for pod in current),
        capacity_failure=_find_capacity_failure(deployment, current, spec),
    )


def select_newest(pods: tuple[ObservedPod, ...]) -> tuple[ObservedPod, ...]:
    """Return the pods of the newest template, newest first, in an order that does not vary."""
    ordered = sorted(pods, key=lambda pod: (pod.created_at, pod.name), reverse=True)
    return tuple(pod for pod in ordered if pod.template == ordered[0].template)


def speaks_tls(observed: Observed, spec: AsrServiceSpec) -> bool:
    """Return whether clients need TLS: with the servers that are ready, else as the spec says.

    While servers with and without it are ready, after a change of the spec, the answer is no: a
    gateway and the status go over when the last server without TLS has gone.
    """
    ready = [pod.speaks_tls for pod in observed.pods if pod.is_ready]
    return all(ready) if ready else spec.exposure.tls_secret is not None


def _find_desired(spec: AsrServiceSpec | None, deployment: ObservedDeployment | None) -> int:
    if spec is not None and spec.autoscaling.mode != "Auto":
        return spec.replicas
    if deployment is None:
        return spec.autoscaling.min_replicas if spec else 0
    if spec is None:
        return deployment.replicas
    record = deployment.replicas_record
    return record.to if record else deployment.desired


def _is_complete(deployment: ObservedDeployment, desired: int) -> bool:
    return (
        deployment.is_current
        and deployment.replicas == desired
        and deployment.updated_replicas == desired
        and deployment.ready_replicas >= desired
    )


def _find_capacity_failure(
    deployment: ObservedDeployment, pods: tuple[ObservedPod, ...], spec: AsrServiceSpec | None
) -> Problem | None:
    if deployment.pod_refusal is not None:
        return failures.explain_pod_refusal(deployment.pod_refusal)
    return _first(failures.find_capacity_failure(pod, spec) for pod in pods)


def _first(problems: Iterable[Problem | None]) -> Problem | None:
    return next((problem for problem in problems if problem is not None), None)
