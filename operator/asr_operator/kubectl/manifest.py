"""Reads an AsrService from a file, as one writes it or as kubectl prints it."""

import sys
from pathlib import Path
from typing import Any

import yaml

from asr_operator.api import names
from asr_operator.kubectl import subject
from asr_operator.kubectl.failure import PluginError
from asr_operator.kubectl.subject import Subject


class ManifestError(PluginError):
    """A file that holds no AsrService to read; the message names it and says what is expected."""


def read_manifest(path: str, namespace: str | None = None) -> Subject:
    """Return the one AsrService in a YAML or JSON file, `-` for standard input.

    Where it names no namespace it is in the one that is given. Raises `ManifestError`.
    """
    name = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        documents = list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{name} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ManifestError(f"{name} is no YAML: {error}") from None
    found = [
        each for each in documents if isinstance(each, dict) and each.get("kind") == names.KIND
    ]
    if len(found) != 1:
        raise ManifestError(f"{name} must hold one {names.KIND}, but holds {len(found)}.")
    return subject.parse_subject(_complete(found[0], name, namespace))


def _complete(body: dict[str, Any], name: str, namespace: str | None) -> dict[str, Any]:
    """Return an object with what the API server would have added."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError(f"{name} must have a metadata.name.")
    own = metadata.get("namespace") or namespace or "default"
    if namespace and own != namespace:
        raise ManifestError(f"{name} has the namespace {own}, not {namespace}: leave out -n.")
    return {**body, "metadata": {"uid": "", **metadata, "namespace": own}}
