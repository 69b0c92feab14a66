"""FunASR's `AutoModel` on the same device, with the models and the audio of our server."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu import models
from benchmarks.server.peers import run_automodel
from benchmarks.server.talks import make_talks

TALKS, TALK_S, REPEATS = 8, 60.0, 3
DTYPES = ("float32", "bfloat16")


def measure(device: str, *, small: bool) -> Iterator[tuple[str, Any]]:
    """Measure Paraformer-large, files with VAD and punctuation, one after the other."""
    talks = make_talks(2 if small else TALKS, 10.0 if small else TALK_S)
    with models.large(small=small) as large:
        for dtype in DTYPES[:1] if small else DTYPES:
            repeats = 1 if small else REPEATS
            options = (f"--repeats={repeats}", f"--device={device}", f"--dtype={dtype}")
            took_s = run_automodel(large, talks, *options)["took_s"]
            audio_s = sum(talk.duration_s for talk in talks)
            yield (
                f"large_{dtype}",
                {
                    "audio_s_per_s": round(audio_s / statistics.median(took_s), 1),
                    "took_s": [round(each, 2) for each in took_s],
                },
            )
