"""What one reconcile saw of a service: its resource, its children and its server pods.

Values only: the shapes of the Kubernetes API are read in `asr_operator.cluster.observe`.
"""

from dataclasses import dataclass

from asr_operator.api import spec, status


@dataclass(frozen=True, slots=True)
class ObservedChild:
    """An object that has the name of a child; `controller_uid` is that of its controlling owner."""

    kind: str
    name: str
    controller_uid: str | None


@dataclass(frozen=True, slots=True)
class ObservedDeployment:
    """The Deployment of the server pods; counts are stale unless `is_current`.

    `is_current` says that the Deployment controller has seen the last change of the Deployment.
    `pod_refusal` is why pods could not be created, with the name of the pod left out.
    """

    is_current: bool
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    deadline_exceeded: bool = False
    pod_refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended; `message` is what it wrote to its termination log."""

    exit_code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ObservedPod:
    """A server pod that is not being deleted.

    `template` tells pods of one version of the Deployment from those of another.
    `waiting_reason` and `waiting_message` are why the container does not run; `terminated` is how
    it last ended; `unschedulable` is the scheduler's message when no node takes the pod.
    """

    name: str
    template: str
    created_at: str
    is_ready: bool = False
    is_running: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    terminated: Termination | None = None
    unschedulable: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that decisions need to know of one service.

    `children` holds every object with the name of a child; the fields after it are about those
    that belong to the service. `service_port` is the port of the Service, `live_config` the text
    in the ConfigMap.
    """

    service: spec.AsrService
    status: status.AsrServiceStatus
    children: tuple[ObservedChild, ...] = ()
    deployment: ObservedDeployment | None = None
    service_port: int | None = None
    live_config: str | None = None
    pods: tuple[ObservedPod, ...] = ()
