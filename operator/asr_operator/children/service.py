"""The Service that clients connect to, and its address."""

from asr_operator.api import names
from asr_operator.api.spec import AsrServiceSpec, Identity
from asr_operator.children import metadata
from asr_operator.state.plan import Manifest

WEBSOCKET_PORT_NAME = "ws"
# The standard name by which gateways know that what they speak to has TLS (KEP-3726).
SECURE_PROTOCOL = "kubernetes.io/wss"


def build_service(owner: Identity, spec: AsrServiceSpec, *, tls: bool) -> Manifest:
    """Return the Service of the server pods; `tls`: whether they speak it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.build_metadata(owner, owner.name),
        "spec": {
            "type": spec.exposure.type,
            "selector": names.render_selector(owner.name),
            "ports": [
                {
                    "name": WEBSOCKET_PORT_NAME,
                    "port": spec.exposure.port,
                    "targetPort": WEBSOCKET_PORT_NAME,
                    "protocol": "TCP",
                    **({"appProtocol": SECURE_PROTOCOL} if tls else {}),
                }
            ],
        },
    }


def render_url(owner: Identity, port: int, *, tls: bool) -> str:
    """Return the address of the Service inside the cluster."""
    return f"{'wss' if tls else 'ws'}://{owner.name}.{owner.namespace}.svc:{port}"
