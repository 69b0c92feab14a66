"""The Service that clients connect to, and its address."""

from asr_operator.api import names
from asr_operator.api.spec import AsrServiceSpec, Identity
from asr_operator.children import metadata
from asr_operator.state.plan import Manifest

WEBSOCKET_PORT_NAME = "ws"


def build_service(owner: Identity, spec: AsrServiceSpec) -> Manifest:
    """Return the Service of the server pods."""
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
                }
            ],
        },
    }


def render_url(owner: Identity, port: int) -> str:
    """Return the address of the Service inside the cluster."""
    return f"ws://{owner.name}.{owner.namespace}.svc:{port}"
