"""What a long session was answered, and how the end of it differs from its beginning. Pure.

Times of speech are milliseconds of the stream; times on the clock are seconds.
"""

import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from asr_server.bench.speech import words


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance: where in the stream it lies, and when its last sample was due."""

    text: str
    start_ms: int
    end_ms: int
    due_at: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What front and engine hold together, a while after the start."""

    at: float
    resident_bytes: int


@dataclass
class Account:
    """Utterances as they are said, and the finals that come for them."""

    said: list[Said] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    latencies_s: list[float | None] = field(default_factory=list)
    stray: int = 0
    """Finals that belong to no utterance."""

    def say(self, utterance: Said) -> None:
        """Note an utterance that begins."""
        self.said.append(utterance)
        self.heard.append("")
        self.latencies_s.append(None)

    def hear(self, text: str, start_ms: int, end_ms: int, at: float) -> None:
        """Note a final, which belongs to the utterance around the middle of its span."""
        middle_ms = (start_ms + end_ms) / 2
        index = bisect_right(self.said, middle_ms, key=lambda each: each.start_ms) - 1
        if index < 0 or middle_ms > self.said[index].end_ms:
            self.stray += 1
            return
        self.heard[index] += words(text)
        self.latencies_s[index] = at - self.said[index].due_at

    def summarize(self, memory: Sequence[Memory]) -> dict[str, float | int]:
        """Return the figures: of all, of the first quarter, and of the last one over the first."""
        known = [latency for latency in self.latencies_s if latency is not None]
        quarter = max(1, len(known) // 4)
        first, last = known[:quarter], known[-quarter:]
        begin, end = _quarters([each.resident_bytes for each in memory])
        return {
            "utterances": len(self.said),
            "answered": len(known),
            "lost": len(self.said) - len(known),
            "stray": self.stray,
            "as_said": sum(
                words(each.text) == heard for each, heard in zip(self.said, self.heard, strict=True)
            ),
            "median_ms_first": 1000 * statistics.median(first),
            "median_ms_last": 1000 * statistics.median(last),
            "median_ratio": statistics.median(last) / statistics.median(first),
            "p95_ms_first": 1000 * _quantile(first, 0.95),
            "p95_ms_last": 1000 * _quantile(last, 0.95),
            "resident_mb_first": begin / 1e6,
            "resident_mb_last": end / 1e6,
            "resident_ratio": end / begin,
        }


def _quarters(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the second and the last quarter: in the first a server warms up."""
    quarter = max(1, len(values) // 4)
    return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(
        values[-quarter:]
    )


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
