"""Audio on its way from model to model, with what one has computed of it that others need too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_server.speech.spans import Span

BANK_MS = 10  # from one frame of a bank to the next


@dataclass(frozen=True, slots=True)
class Bank:
    """A filter bank in parts, one after the other: (frames, bins) each, a frame every 10 ms.

    It means something to models only. `lead` frames begin before the audio that it belongs to; it
    may have more frames than the audio, or fewer.
    """

    parts: Sequence[Any]
    lead: int = 0

    def cut(self, before: int, frames: int) -> list[Any]:
        """Return the parts of up to so many frames, the first `before` frames before the audio.

        None if it does not reach so far back.
        """
        skipped, found = self.lead - before, []
        if skipped < 0:
            return []
        for part in self.parts:
            if frames <= 0:
                break
            length = len(part)
            if skipped < length:
                kept = part[skipped : skipped + frames] if skipped or frames < length else part
                found.append(kept)
                frames -= length - skipped
            skipped = max(0, skipped - length)
        return found


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono 16 kHz int16 audio, and its filter bank where that is known."""

    audio: NDArray[np.int16]
    bank: Bank | None = None

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
        return Sound(audio, Bank([self.bank[span.start_ms // BANK_MS :]]))
