"""How far the engine comes with what streams say: seconds spoken, and seconds settled.

Spoken is told by when audio came, not by how much: a front that is late leaves audio in the
sockets, and what it has not read was spoken all the same.
"""

import math
from dataclasses import dataclass

from asr_server.speech import audio

PAUSE_S = 3.0  # nobody spoke in a gap of that length; a late front comes round sooner


@dataclass(frozen=True, slots=True)
class Progress:
    """How many streams are open, how many sent audio, and the seconds spoken and settled."""

    streams: int
    speaking: int
    spoken_s: float
    settled_s: float


class Tally:
    """Counts for all streams together; times are monotonic seconds."""

    def __init__(self) -> None:
        self._heard_at: dict[int, float] = {}
        self._speaking: set[int] = set()
        self._spoken_s = 0.0
        self._settled_samples = 0

    def hear(self, stream_id: int, samples: int, now: float) -> None:
        """Count audio of a stream: the time since its last, or, where none came, its length."""
        gap_s = now - self._heard_at.get(stream_id, -math.inf)
        self._spoken_s += gap_s if gap_s < PAUSE_S else min(audio.duration_s(samples), PAUSE_S)
        self._heard_at[stream_id] = now
        self._speaking.add(stream_id)

    def settle(self, samples: int) -> None:
        """Count samples that are answered, or hold no speech."""
        self._settled_samples += samples

    def forget(self, stream_id: int) -> None:
        """A stream is gone; what it said counts."""
        self._heard_at.pop(stream_id, None)

    def take(self, open_streams: int) -> Progress:
        """Return what happened since the last call."""
        settled_s = audio.duration_s(self._settled_samples)
        progress = Progress(open_streams, len(self._speaking), self._spoken_s, settled_s)
        self._speaking.clear()
        self._spoken_s, self._settled_samples = 0.0, 0
        return progress
