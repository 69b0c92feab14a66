"""Typed reading of an untyped mapping, with the path of a field in every complaint.

The API server has validated what it stored; this is for objects stored under an older schema.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


class FieldError(Exception):
    """A field is missing or has a value that cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping and its path in the resource; null counts as absent."""

    path: str
    values: Mapping[str, Any]

    def section(self, key: str) -> "Section":
        """Return a nested mapping, empty when absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise FieldError(f"{self.path}.{key} must be an object")
        return Section(f"{self.path}.{key}", value or {})

    def sections(self, key: str) -> "tuple[Section, ...]":
        """Return the mappings of a list, none when absent."""
        found = self._list(key)
        if not all(isinstance(each, Mapping) for each in found):
            raise FieldError(f"{self.path}.{key} must be a list of objects")
        return tuple(
            Section(f"{self.path}.{key}[{place}]", each) for place, each in enumerate(found)
        )

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the strings of a list."""
        if not self.has(key):
            return default
        found = self._list(key)
        if not all(isinstance(each, str) for each in found):
            raise FieldError(f"{self.path}.{key} must be a list of strings")
        return tuple(found)

    def has(self, key: str) -> bool:
        """Return whether a field is set."""
        return self.values.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string that is not empty; required when there is no default."""
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise FieldError(f"{self.path}.{key} must be a string that is not empty")
        return value

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        """Return one of the allowed strings."""
        value = self.text(key, default)
        if value not in allowed:
            raise FieldError(f"{self.path}.{key} must be one of {', '.join(allowed)}")
        return value

    def integer(self, key: str, default: int) -> int:
        """Return an integer that is not negative."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise FieldError(f"{self.path}.{key} must be an integer of at least 0")
        return value

    def quantity(self, key: str) -> str | None:
        """Return a Kubernetes quantity as text, or None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise FieldError(f"{self.path}.{key} must be a quantity such as 2 or 500m")
        return str(value)

    def _list(self, key: str) -> list[Any]:
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise FieldError(f"{self.path}.{key} must be a list")
        return value or []
