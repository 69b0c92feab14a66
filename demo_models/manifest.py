"""The finished folders as part of the server's package, and what is said about them there."""

import hashlib
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from demo_models import grammar, speech

FOLDERS = ("asr", "asr_online", "vad", "punc")
COMMAND = "make demo-models"
_LARGEST_BYTES = 6_000_000
_PACKAGES = ("torch", "funasr", "kaldi-native-fbank", "numpy", "soxr")


def install(models: Path, package: Path, facts: Mapping[str, object]) -> None:
    """Replace the package's folders and write manifest.json; ValueError where they are too large.

    `facts` is what is known about training and figures.
    """
    total = sum(path.stat().st_size for name in FOLDERS for path in (models / name).iterdir())
    if total > _LARGEST_BYTES:
        raise ValueError(f"{models} holds {total} bytes, of which {_LARGEST_BYTES} may be shipped")
    for name in FOLDERS:
        shutil.rmtree(package / name, ignore_errors=True)
        shutil.copytree(models / name, package / name)
    described = {**_describe(), **facts, "files": _list_files(package)}
    text = json.dumps(described, ensure_ascii=False, indent=2) + "\n"
    (package / "manifest.json").write_text(text, encoding="utf-8")


def _describe() -> dict[str, Any]:
    return {
        "about": (
            "Tiny models of FunASR's classes for a closed vocabulary of Mandarin and English: "
            "digit strings, fixed phrases, slot sentences and pairs (docs/demo-models.md). They "
            "show that the server works; they recognise nothing else."
        ),
        "format": "float16 state_dict, to be loaded with weights_only; trained in float32",
        "command": COMMAND,
        "made_with": _read_versions(),
        "trained_on": {
            "speech": "espeak-ng, voices cmn-latn-pinyin and en-us with variants",
            "voices": len(speech.TRAINED.voices),
            "speeds": speech.TRAINED.speeds,
            "pitches": speech.TRAINED.pitches,
            "symbols": len(grammar.list_tokens()),
        },
        "held_out": {
            "voices": speech.HELD_OUT.voices,
            "speeds": speech.HELD_OUT.speeds,
            "pitches": speech.HELD_OUT.pitches,
            "texts": "md5(text) mod 6 = 0, but for the fixed phrases",
        },
    }


def _read_versions() -> dict[str, str]:
    version = subprocess.run(["espeak-ng", "--version"], capture_output=True, check=True, text=True)
    spoken = version.stdout.split(":")[1].split()[0]
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"espeak-ng": spoken, "python": platform.python_version(), **packages}


def _list_files(package: Path) -> dict[str, dict[str, object]]:
    return {
        str(path.relative_to(package)): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(package.glob("*/*"))
    }
