"""What the engine needs of models and of the device, as protocols. Every call is one batch.

Audio is mono 16 kHz int16. Which models and devices there are is not known here.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr_server.speech import hints, pieces, sounds, words

Audio = NDArray[np.int16]
Input = TypeVar("Input")
Output = TypeVar("Output")


class Vad(Protocol):
    """Finds speech."""

    def hear(self, audio: Sequence[Audio]) -> Sequence[sounds.Detected]:
        """Return the spans of speech of each utterance, with what its recognition can use."""


class StreamingVad(Protocol):
    """Finds speech while it is spoken; the state of a stream is known to the model alone."""

    @property
    def hindsight_ms(self) -> int:
        """How much later than a span ends that is known, when a pause ends it."""

    def start(self) -> Any:
        """Return the state of a stream at its beginning."""

    def advance(self, batch: Sequence[pieces.Piece[Any]], /) -> Sequence[pieces.Endpoints[Any]]:
        """Return what is known after one more piece of each stream, of any length."""


class Recognizer(Protocol):
    """Recognises speech."""

    @property
    def takes_hotwords(self) -> bool:
        """Whether hotwords have an effect."""

    def recognize(
        self, audio: Sequence[sounds.Sound], hints: Sequence[hints.Hints], /
    ) -> Sequence[words.Words]:
        """Return what is said in each utterance, and when, if the model tells."""


class StreamingRecognizer(Protocol):
    """Recognises speech while it is spoken, utterance by utterance."""

    def step_samples(self, chunk_size: tuple[int, int, int]) -> int:
        """Return the length of every piece of an utterance but its last."""

    def start(self, chunk_size: tuple[int, int, int]) -> Any:
        """Return the state of an utterance at its beginning.

        `chunk_size` is FunASR's, in frames of 60 ms: look-back, chunk, look-ahead. ValueError for
        one that cannot be.
        """

    def advance(self, batch: Sequence[pieces.Piece[Any]], /) -> Sequence[pieces.Spoken[Any]]:
        """Return what one more piece of each utterance adds; their chunk sizes may differ."""


class Punctuation(Protocol):
    """Punctuates."""

    def punctuate(self, tokens: Sequence[Sequence[str]]) -> Sequence[str]:
        """Return the punctuated text of each list of tokens."""


class Models(Protocol):
    """The models of one engine."""

    @property
    def vad(self) -> Vad:
        """Finds speech."""

    @property
    def streaming_vad(self) -> StreamingVad:
        """Finds speech while it is spoken."""

    @property
    def streaming_recognizer(self) -> StreamingRecognizer | None:
        """Recognises speech while it is spoken, where the model folder has it."""

    @property
    def recognizer(self) -> Recognizer:
        """Recognises speech."""

    @property
    def punctuation(self) -> Punctuation | None:
        """Punctuates, where the model folder has it."""


class Device(Protocol):
    """Where a batch is computed, what an error means there, and what it can do about it."""

    def compute(
        self,
        compute: Callable[[Sequence[Input]], Sequence[Output]],
        inputs: Sequence[Input],
        /,
        *,
        alone: bool = False,
    ) -> Sequence[Output]:
        """Compute a batch; `alone`, while no other batch is computed."""

    def is_lost(self, error: Exception) -> bool:
        """Say whether nothing can be computed after this error."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Say whether a smaller batch may succeed."""

    def release_memory(self) -> None:
        """Give back what a failed attempt has left."""
