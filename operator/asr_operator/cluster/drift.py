"""Whether an object in the cluster still is what the operator wants and last applied. Pure.

Server-side apply records which fields a manager owns (FieldsV1). An object has not drifted when the
operator owns exactly the fields that it desires, each with its desired value: a field that somebody
else changed is no longer ours, and one that is ours but no longer desired has to go. Fields of
others do not matter.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from asr_operator.api import names
from asr_operator.state.plan import Manifest

# These identify the object; nobody owns them.
IDENTITY = frozenset({"apiVersion", "kind"})
METADATA_IDENTITY = frozenset({"name", "namespace"})

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
    wanted = {key: value for key, value in desired.items() if key not in IDENTITY}
    wanted["metadata"] = {
        key: value for key, value in desired["metadata"].items() if key not in METADATA_IDENTITY
    }
    return owned is None or not _agrees(wanted, observed, owned)


def find_owned_fields(observed: Manifest) -> Mapping[str, Any] | None:
    """Return the fields that the operator applied, as FieldsV1, or None when it applied none."""
    entry = find_entry(observed)
    return None if entry is None else entry["fieldsV1"]


def find_entry(observed: Manifest) -> Mapping[str, Any] | None:
    """Return the entry of `managedFields` about what the operator applied, or None."""
    for entry in observed["metadata"].get("managedFields") or ():
        if (
            entry.get("manager") == names.FIELD_MANAGER
            and entry.get("operation") == "Apply"
            and "subresource" not in entry
        ):
            found: Mapping[str, Any] = entry
            return found
    return None


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


def _agrees(desired: Any, observed: Any, owned: Mapping[str, Any]) -> bool:
    parts = {key: fields for key, fields in owned.items() if key != "."}
    if not parts:  # A scalar, or a list or map that is owned as a whole.
        return bool(desired == observed)
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        return parts.keys() == {f"f:{key}" for key in desired} and all(
            key in observed and _agrees_field(key, value, observed[key], parts[f"f:{key}"])
            for key, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(observed, list):
        return len(parts) == len(desired) and all(
            _agrees_item(key, desired, observed, fields) for key, fields in parts.items()
        )
    return False


def _agrees_field(key: str, desired: Any, observed: Any, owned: Mapping[str, Any]) -> bool:
    if key in QUANTITY_KEYS:
        desired, observed = _parse_amounts(desired), _parse_amounts(observed)
    return _agrees(desired, observed, owned)


def _parse_amounts(amounts: Mapping[str, str]) -> dict[str, Decimal | None]:
    """Return amounts by value: the API server writes 1000m as 1."""
    return {name: parse_quantity(amount) for name, amount in amounts.items()}


def _agrees_item(
    key: str, desired: Sequence[Any], observed: Sequence[Any], owned: Mapping[str, Any]
) -> bool:
    kind, _, text = key.partition(":")
    identity = json.loads(text)
    if kind == "v":
        return identity in desired and identity in observed
    wanted, found = _find_item(desired, identity), _find_item(observed, identity)
    return wanted is not None and found is not None and _agrees(wanted, found, owned)


def _find_item(items: Sequence[Any], identity: Mapping[str, Any]) -> Any:
    return next((item for item in items if identity.items() <= item.items()), None)
