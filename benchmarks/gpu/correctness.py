"""On the device: are words and spans those of the CPU, alone and in a batch, in every precision?"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_server.bench.corpus import load_phrases
from asr_server.bench.scoring import count_errors
from asr_server.bench.speech import words
from asr_server.models import loading, tokens

DTYPES = ("float32", "bfloat16", "float16")
MOST_ERRORS = 0.02
Audio = NDArray[np.int16]


def measure(device: str, *, small: bool) -> Iterator[tuple[str, Any]]:
    """Compare with the CPU in float32. Raises AssertionError where float32 differs."""
    phrases = load_phrases()[: 6 if small else None]
    audio = [np.frombuffer(phrase.pcm, np.int16) for phrase in phrases]
    texts = [words(phrase.text) for phrase in phrases]
    reference = _Run(device="cpu", dtype="float32", audio=audio)
    yield "phrases", len(phrases)
    yield "cer_cpu", reference.cer(texts)
    for dtype in DTYPES[:1] if small else DTYPES:
        run = _Run(device=device, dtype=dtype, audio=audio)
        found = {
            "cer": run.cer(texts),
            "batch_equals_single": run.batched == run.single,
            "equals_cpu": run.batched == reference.batched,
            "spans_equal_cpu": run.spans == reference.spans,
        }
        yield dtype, found
        wrong = [name for name, same in found.items() if same is False]
        if dtype == "float32" and (wrong or found["cer"] > MOST_ERRORS):
            raise AssertionError(f"float32 on {device}: {wrong or 'too many errors'}")


class _Run:
    """What one device says in one precision."""

    def __init__(self, *, device: str, dtype: str, audio: Sequence[Audio]) -> None:
        models = loading.load_models(loading.demo_directory(), device=device, dtype=dtype)
        models.warm_up(len(audio), 120)
        self.batched = [_text(each.tokens) for each in models.recognizer.recognize(audio)]
        self.single = [
            _text(each.tokens) for row in audio for each in models.recognizer.recognize([row])
        ]
        self.spans = models.vad.detect(list(audio))

    def cer(self, texts: Sequence[str]) -> float:
        """Return the errors per character."""
        errors = sum(
            count_errors(said, heard) for said, heard in zip(texts, self.batched, strict=True)
        )
        return errors / sum(map(len, texts))


def _text(found: Sequence[str]) -> str:
    return words(tokens.join(found))
