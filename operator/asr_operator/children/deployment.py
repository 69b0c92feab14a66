"""The Deployment of the servers. Its replicas are always this operator's to set."""

from asr_operator.api import names
from asr_operator.api.spec import AsrServiceSpec, Identity
from asr_operator.children import metadata, pod
from asr_operator.state.plan import Knobs, Manifest
from asr_operator.state.policy import ServerPolicy


def build_deployment(
    owner: Identity, spec: AsrServiceSpec, policy: ServerPolicy, knobs: Knobs
) -> Manifest:
    """Return the Deployment of the server pods."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            **metadata.build_metadata(owner, owner.name),
            **metadata.build_annotations(knobs.replicas_record),
        },
        "spec": {
            "replicas": knobs.replicas,
            "progressDeadlineSeconds": spec.lifecycle.progress_deadline_s,
            "selector": {"matchLabels": names.render_selector(owner.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": spec.lifecycle.max_surge,
                    "maxUnavailable": spec.lifecycle.max_unavailable,
                },
            },
            "template": pod.build_pod_template(owner, spec, policy),
        },
    }
