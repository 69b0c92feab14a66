"""The pod template of the servers: one container that can do nothing but serve.

Nothing that running servers can take over may appear here, because a change of the template
replaces every pod.
"""

from pathlib import PurePosixPath
from typing import Any

from asr_operator.api import names
from asr_operator.api.spec import (
    AsrServiceSpec,
    ClaimModel,
    ComputeAmounts,
    DemoModel,
    Identity,
    Runtime,
)
from asr_operator.children import secret_volumes
from asr_operator.children.config_map import LIVE_CONFIG_FILE
from asr_operator.children.service import WEBSOCKET_PORT_NAME
from asr_operator.state.plan import Manifest
from asr_operator.state.policy import ServerPolicy

WEBSOCKET_PORT = 10095
PROBE_PORT = 8081
USER_ID = 10001
MODELS_DIR = PurePosixPath("/models")
LIVE_CONFIG_DIR = PurePosixPath("/etc/asr-server/live")

# Until kube-proxy everywhere has taken the pod out, new connections still come: keep accepting.
ENDPOINT_PROPAGATION_S = 5
# For closing the sockets and stopping the engine after the drain.
STOP_MARGIN_S = 15


def build_pod_template(owner: Identity, spec: AsrServiceSpec, policy: ServerPolicy) -> Manifest:
    """Return the template of the server pods."""
    return {
        "metadata": {
            "labels": names.render_labels(owner.name),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(PROBE_PORT),
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            # Service links would inject variables such as ASR_PORT, which the server would read.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": (
                ENDPOINT_PROPAGATION_S + spec.lifecycle.drain_timeout_s + STOP_MARGIN_S
            ),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_build_container(owner, spec, policy)],
            "volumes": _build_volumes(owner, spec),
            **({"nodeSelector": dict(spec.node_selector)} if spec.node_selector else {}),
            **(
                {"imagePullSecrets": [{"name": name} for name in policy.image_pull_secrets]}
                if policy.image_pull_secrets
                else {}
            ),
        },
    }


def _build_container(owner: Identity, spec: AsrServiceSpec, policy: ServerPolicy) -> Manifest:
    return {
        "name": "server",
        "image": spec.runtime.image or policy.image,
        "args": _build_arguments(spec),
        "env": [
            {"name": "ASR_NAMESPACE", "valueFrom": _field_ref("metadata.namespace")},
            {"name": "ASR_POD", "valueFrom": _field_ref("metadata.name")},
            {"name": "ASR_SERVICE", "value": owner.name},
        ],
        "ports": [
            {"name": WEBSOCKET_PORT_NAME, "containerPort": WEBSOCKET_PORT, "protocol": "TCP"},
            {"name": "probes", "containerPort": PROBE_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _build_probe("/livez", period_s=1, timeout_s=5, failures=120),
        "livenessProbe": _build_probe("/livez", period_s=10, timeout_s=5, failures=6),
        "readinessProbe": _build_probe("/readyz", period_s=2, timeout_s=5, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": ENDPOINT_PROPAGATION_S}}},
        "resources": _build_resources(spec.runtime),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "live-config", "mountPath": str(LIVE_CONFIG_DIR), "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            *(
                [{"name": "models", "mountPath": str(MODELS_DIR), "readOnly": True}]
                if isinstance(spec.model, ClaimModel)
                else []
            ),
            *secret_volumes.build_mounts(spec.exposure),
        ],
    }


def _build_arguments(spec: AsrServiceSpec) -> list[str]:
    match spec.model:
        case DemoModel():
            model = "demo"
        case ClaimModel(path=path):
            # Kubernetes expands $(NAME) in arguments; $$ stands for a plain $.
            model = str(MODELS_DIR / path).replace("$", "$$")
    return [
        f"--model={model}",
        f"--device={spec.runtime.device}",
        f"--dtype={spec.runtime.dtype}",
        f"--live-config={LIVE_CONFIG_DIR / LIVE_CONFIG_FILE}",
        f"--drain-timeout={spec.lifecycle.drain_timeout_s}",
        *secret_volumes.build_arguments(spec.exposure),
    ]


def _build_volumes(owner: Identity, spec: AsrServiceSpec) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": "live-config", "configMap": {"name": names.config_map_name(owner.name)}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    if isinstance(spec.model, ClaimModel):
        claim = {"claimName": spec.model.claim_name, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": claim})
    return volumes + secret_volumes.build_volumes(spec.exposure)


def _build_resources(runtime: Runtime) -> dict[str, dict[str, str]]:
    gpu = {runtime.gpu_resource_name: "1"} if runtime.device == "cuda" else {}
    rendered = {
        "requests": {**_render_amounts(runtime.requests), **gpu},
        "limits": {**_render_amounts(runtime.limits), **gpu},
    }
    return {kind: amounts for kind, amounts in rendered.items() if amounts}


def _render_amounts(amounts: ComputeAmounts) -> dict[str, str]:
    pairs = {"cpu": amounts.cpu, "memory": amounts.memory}
    return {name: amount for name, amount in pairs.items() if amount is not None}


def _field_ref(path: str) -> dict[str, Any]:
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


def _build_probe(path: str, *, period_s: int, timeout_s: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "probes"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }
