"""What every child has in common: name, labels and owner."""

from typing import Any

from asr_operator.api import names
from asr_operator.api.spec import Identity


def build_metadata(owner: Identity, name: str) -> dict[str, Any]:
    """Return the metadata of a child.

    The owner reference lets the garbage collector delete the child also when no operator runs. It
    does not block the owner's deletion, because that would need a permission on finalizers where
    OwnerReferencesPermissionEnforcement is on.
    """
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": names.render_labels(owner.name),
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
            }
        ],
    }
