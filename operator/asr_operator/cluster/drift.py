"""Whether an object in the cluster still is what the operator last applied and wants.

Two questions, both pure. Does every desired field have its desired value, as the API server would
write it? And does the operator own exactly the desired fields? A field that somebody else changed
is no longer ours, and a field that is ours but no longer desired has to go.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from asr_operator.api import names
from asr_operator.state.plan import Manifest

# These identify the object and are never owned.
IDENTITY = {"apiVersion", "kind"}
METADATA_IDENTITY = {"name", "namespace"}

QUANTITY_KEYS = frozenset({"requests", "limits"})
QUANTITY_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def has_drifted(desired: Manifest, observed: Manifest) -> bool:
    """Return whether applying `desired` would change the observed object or its ownership."""
    owned = find_owned_fields(observed)
    if owned is None or not contains(observed, desired):
        return True
    wanted = {key: value for key, value in desired.items() if key not in IDENTITY}
    wanted["metadata"] = {
        key: value for key, value in desired["metadata"].items() if key not in METADATA_IDENTITY
    }
    return not owns_exactly(owned, wanted)


def find_owned_fields(observed: Manifest) -> Mapping[str, Any] | None:
    """Return the fields that the operator applied, as FieldsV1, or None when it applied none."""
    for entry in observed["metadata"].get("managedFields") or ():
        if (
            entry.get("manager") == names.FIELD_MANAGER
            and entry.get("operation") == "Apply"
            and "subresource" not in entry
        ):
            fields: Mapping[str, Any] = entry["fieldsV1"]
            return fields
    return None


def contains(observed: Any, desired: Any) -> bool:
    """Return whether every desired field is there with its value; others may be there too."""
    if isinstance(desired, Mapping):
        return isinstance(observed, Mapping) and all(
            key in observed and _contains_field(key, observed[key], value)
            for key, value in desired.items()
        )
    if isinstance(desired, list) and desired and isinstance(desired[0], Mapping):
        return isinstance(observed, list) and all(
            any(contains(candidate, item) for candidate in observed) for item in desired
        )
    return bool(observed == desired)


def owns_exactly(owned: Mapping[str, Any], desired: Any) -> bool:
    """Return whether the owned fields (FieldsV1) are the desired ones, no more and no less."""
    children = {key: value for key, value in owned.items() if key != "."}
    if not children:
        return True  # A scalar, or a list or map that is owned as a whole.
    if isinstance(desired, Mapping):
        return {f"f:{key}" for key in desired} == set(children) and all(
            owns_exactly(children[f"f:{key}"], value) for key, value in desired.items()
        )
    if isinstance(desired, list):
        return len(desired) == len(children) and all(
            _owns_item(key, fields, desired) for key, fields in children.items()
        )
    return False


def parse_quantity(text: str) -> Decimal | None:
    """Return the value of a Kubernetes quantity, or None when it is none."""
    for length in (2, 1):
        factor = QUANTITY_SUFFIXES.get(text[-length:])
        if factor is not None:
            return _parse_decimal(text[:-length], factor)
    return _parse_decimal(text, Decimal(1))


def _parse_decimal(text: str, factor: Decimal) -> Decimal | None:
    try:
        return Decimal(text) * factor
    except InvalidOperation:
        return None


def _contains_field(key: str, observed: Any, desired: Any) -> bool:
    if key in QUANTITY_KEYS and isinstance(observed, Mapping) and isinstance(desired, Mapping):
        return all(
            name in observed and parse_quantity(observed[name]) == parse_quantity(amount)
            for name, amount in desired.items()
        )
    return contains(observed, desired)


def _owns_item(key: str, fields: Mapping[str, Any], desired: list[Any]) -> bool:
    kind, _, text = key.partition(":")
    identity = json.loads(text)
    if kind == "v":
        return identity in desired
    return any(contains(item, identity) and owns_exactly(fields, item) for item in desired)
