"""The demo models with a recogniser that overflows float16 on audio far too loud, and only on that.

Features of log energy are scaled, which the first layer's norm takes back: words stay the same.
But speech fills float16 nearly up to its end, so what is louder than speech comes to infinity, as
with models whose activations are large. An exception of a real computation, for one input.
"""

import re
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_server.models.loading import demo_directory

QUIETEST, LOUDEST = -4.08, 1.88  # features of digital silence, and louder than any held-out speech
MOST = 65504.0  # of float16
GAIN = 64  # by which speech is too loud


def write(folder: Path) -> None:
    """Write the model folders, for `--dtype float16`."""
    shutil.copytree(demo_directory(), folder)
    (folder / "manifest.json").unlink()
    cmvn = folder / "asr" / "am.mvn"
    text = cmvn.read_text(encoding="utf-8")
    shift, scale = (np.array(values.split(), float) for values in _find_vectors(text))
    width = 96**0.5  # by which the encoder multiplies its input
    fill = 2 * MOST / width / (LOUDEST - QUIETEST)
    vectors = iter((shift - (LOUDEST + QUIETEST) / 2 / scale, scale * fill))
    cmvn.write_text(
        _VECTOR.sub(lambda found: f"{found[1]} {_render(next(vectors))} ]", text), encoding="utf-8"
    )


def make_too_loud(audio: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return audio as from a microphone that is turned up far too much."""
    return np.clip(audio.astype(np.int32) * GAIN, -32768, 32767).astype(np.int16)


_VECTOR = re.compile(r"(<LearnRateCoef> \S+ \[)([^]]*)\]")


def _find_vectors(text: str) -> list[str]:
    found = [values for _, values in _VECTOR.findall(text)]
    if len(found) != 2:
        raise ValueError("am.mvn has not the two vectors that were expected")
    return found


def _render(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.9g}" for value in values)
