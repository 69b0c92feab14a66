"""The PodDisruptionBudget: node drains take one server at a time."""

from asr_operator.api import names
from asr_operator.api.spec import Identity
from asr_operator.children import metadata
from asr_operator.state.plan import Manifest


def build_disruption_budget(owner: Identity) -> Manifest:
    """Return the PodDisruptionBudget of the server pods."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.build_metadata(owner, owner.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.render_selector(owner.name)},
        },
    }
