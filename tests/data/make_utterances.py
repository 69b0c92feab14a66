"""Speak the held-out utterances of the tests: `python -m tests.data.make_utterances`.

espeak-ng reads sentences of the demo models' closed grammar with voices, speeds and pitches that
training never used. Texts are held out too; only Mandarin's fixed phrases, a closed list, are known
from training. Needs espeak-ng (Debian package); the same version and seeds give the same files.
"""

import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from demo_models import grammar, speech

FOLDER = Path(__file__).parent / "utterances"
GAIN = 0.5  # headroom like that of a real microphone, and smaller files

Drawer = Callable[..., tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """So many utterances of one sort."""

    draw: Drawer
    count: int
    seed: int


PARTS = (
    Part(grammar.draw_mandarin, 80, 20),
    Part(grammar.draw_english, 14, 21),
    Part(grammar.draw_mixed, 6, 22),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that one utterance is made from; a bar in `script` is a pause."""

    name: str
    kind: str
    script: str
    voice: str
    speed: int
    pitch: int
    seed: int


def draw_recipes() -> list[Recipe]:
    """Return the recipes of all utterances; no text occurs twice."""
    recipes: dict[str, Recipe] = {}
    for part in PARTS:
        draw = random.Random(part.seed)
        wanted = len(recipes) + part.count
        while len(recipes) < wanted:
            kind, script = part.draw(draw, held_out=True)
            manner = speech.draw_manner(draw, speech.HELD_OUT)
            seed = draw.randrange(1 << 30)
            if kind != "en-fixed":
                name = f"{len(recipes):03d}"
                recipe = Recipe(name, kind, script, **asdict(manner), seed=seed)
                recipes.setdefault(grammar.write_text(script), recipe)
    return list(recipes.values())


def synthesise(recipe: Recipe) -> NDArray[np.int16]:
    """Return an utterance's audio."""
    manner = speech.Manner(recipe.voice, recipe.speed, recipe.pitch)
    samples = speech.synthesise(recipe.script, manner, recipe.seed) * GAIN
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    """Write the FLAC files and manifest.json."""
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for recipe in draw_recipes():
        audio = synthesise(recipe)
        flac = io.BytesIO()
        soundfile.write(flac, audio, speech.RATE_HZ, format="FLAC", compression_level=1.0)
        (FOLDER / f"{recipe.name}.flac").write_bytes(flac.getvalue())
        digest = hashlib.sha256(audio.tobytes()).hexdigest()
        text = grammar.write_text(recipe.script)
        row = {
            "text": text,
            "audio_s": round(len(audio) / speech.RATE_HZ, 3),
            "pcm_sha256": digest,
        }
        rows.append(asdict(recipe) | row)
    manifest = {
        "about": (
            "Held-out speech of espeak-ng 1.51, made by make_utterances.py; audio_s in seconds. "
            "The demo models were trained on none of the voices, speeds and pitches, and on none "
            "of the texts but those of kind fixed."
        ),
        "seeds": [part.seed for part in PARTS],
        "utterances": rows,
    }
    (FOLDER / "manifest.json").write_text(
        json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
