"""The ConfigMap with the live configuration: what running servers take over without a restart.

Its `generation` counts changes of its content, so that what a server reports can be compared with
what it was told. A generation never comes again with other content, even if the ConfigMap was
deleted meanwhile.
"""

import json
from typing import Any

from asr_operator.api import names
from asr_operator.api.spec import AsrServiceSpec, Identity
from asr_operator.children import metadata
from asr_operator.state.plan import Knobs, Manifest

LIVE_CONFIG_FILE = "config.json"


def build_config_map(
    owner: Identity, spec: AsrServiceSpec, knobs: Knobs, observed: str | None
) -> Manifest:
    """Return the ConfigMap; `observed` is the live configuration that is in the cluster now."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **metadata.build_metadata(owner, names.config_map_name(owner.name)),
            **metadata.build_annotations(knobs.batch_record),
        },
        "data": {LIVE_CONFIG_FILE: render_live_config(spec, knobs, observed)},
    }


def render_live_config(spec: AsrServiceSpec, knobs: Knobs, observed: str | None) -> str:
    """Return the live configuration as JSON.

    It is numbered one above all that servers know when it differs from `observed`, or when that
    has a lower number than they were told.
    """
    content: dict[str, Any] = {
        "batch_size": knobs.batch_size,
        "batch_audio_s": spec.batching.audio_s,
        "max_wait_ms": spec.batching.max_wait_ms,
        "max_sessions": spec.runtime.max_sessions,
        "shed_late_ms": spec.shedding.late_ms,
        "partial_interval_ms": spec.shedding.partial_interval_ms,
    }
    if spec.hotwords:  # what services without them are told stays as it was
        content["hotwords"] = list(spec.hotwords)
    previous = _read_object(observed)
    generation = _read_generation(previous)
    if previous != {"generation": generation, **content} or generation < knobs.told_generation:
        generation = max(generation, knobs.told_generation) + 1
    return json.dumps({"generation": generation, **content}, indent=2) + "\n"


def read_batch_size(live_config: str | None) -> int | None:
    """Return the batch size that a live configuration tells servers, or None."""
    size = _read_object(live_config).get("batch_size")
    return size if type(size) is int else None


def read_generation(live_config: str | None) -> int:
    """Return the generation of a live configuration, 0 when there is none."""
    return _read_generation(_read_object(live_config))


def _read_object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _read_generation(config: dict[str, Any]) -> int:
    generation = config.get("generation")
    return generation if type(generation) is int and generation > 0 else 0
