"""What one reconcile saw of a service: its resource, its children and its server pods.

Values only: the shapes of the Kubernetes API are read in `asr_operator.cluster.observe`.
"""

from dataclasses import dataclass

from asr_operator.api import spec, status
from asr_operator.api.scaling_status import ScalingRecord


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
    `pod_refusal` is why pods could not be created, with the name of the pod left out. `desired` is
    the number of replicas that it was told by whoever wrote it last, `replicas_record` the record
    of the operator's last change of it.
    """

    is_current: bool
    desired: int = 0
    replicas_record: ScalingRecord | None = None
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
class ObservedConfig:
    """The live configuration: its text, and when the operator last wrote it.

    `batch_record` is the record of the operator's last change of the batch size.
    """

    text: str
    written_at: str | None = None
    batch_record: ScalingRecord | None = None


@dataclass(frozen=True, slots=True)
class ObservedPod:
    """A server pod that is not being deleted.

    `template` tells pods of one version of the Deployment from those of another.
    `waiting_reason` and `waiting_message` are why the container does not run; `terminated` is how
    it last ended; `unschedulable` is the scheduler's message when no node takes the pod. `ready_at`
    is when it last became ready. `told_generation` is the generation of the live configuration that
    the pod's annotation has, written at `told_at`; `deletion_cost` is what its annotation says.
    `speaks_tls` is whether its server was started with a certificate. `preparing_since` is since
    when the kubelet gets its volumes and network ready, if it still does; `mount_failure` is why a
    volume is not.
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
    ready_at: str | None = None
    told_generation: int | None = None
    told_at: str | None = None
    deletion_cost: str | None = None
    speaks_tls: bool = False
    preparing_since: str | None = None
    mount_failure: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that decisions need to know of one service.

    `children` holds every object with the name of a child; the fields after it are about those
    that belong to the service. `service_port` is the port of the Service, `service_tls` whether it
    says that there is TLS behind it, `config` the live configuration.
    """

    service: spec.AsrService
    status: status.AsrServiceStatus
    children: tuple[ObservedChild, ...] = ()
    deployment: ObservedDeployment | None = None
    service_port: int | None = None
    service_tls: bool = False
    config: ObservedConfig | None = None
    pods: tuple[ObservedPod, ...] = ()
