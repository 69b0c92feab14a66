"""Audio on its way from model to model, with what one has computed of it that others need too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_server.speech.spans import Span

BANK_MS = 10  # from one frame of a bank to the next


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono 16 kHz int16 audio, and its filter bank where that is known.

    `bank` is (frames, bins), a frame every 10 ms, and means something to models only; it may have
    more frames than the audio.
    """

    audio: NDArray[np.int16]
    bank: Any = None

    def __len__(self) -> int:
        return len(self.audio)


@dataclass(frozen=True, slots=True)
class Detected:
    """The spans of speech in a recording, in order, and the bank of the whole recording."""

    spans: Sequence[Span]
    bank: Any = None

    def sound(self, span: Span, audio: NDArray[np.int16]) -> Sound:
        """Return the sound of a span, whose samples are these."""
        if self.bank is None:
            return Sound(audio)
        return Sound(audio, self.bank[span.start_ms // BANK_MS :])
