"""What every child has in common: name, labels and owner; and the record of its last change."""

from typing import Any

from asr_operator.api import names, scaling_status
from asr_operator.api.scaling_status import ScalingRecord
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


def build_annotations(record: ScalingRecord | None) -> dict[str, Any]:
    """Return what a child's metadata gains by the record of the last change of its knob."""
    if record is None:
        return {}
    text = scaling_status.render_record_text(record)
    return {"annotations": {names.CHANGE_ANNOTATION: text}}
