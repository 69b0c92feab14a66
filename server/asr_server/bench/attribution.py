"""Which utterance of a live stream a final belongs to. Pure.

A server that tells when its finals were said is believed. Others send finals in order: one goes to
the oldest utterance that still lacks words and has those words, or else to the oldest that lacks
any.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from asr_server.bench.speech import words


@dataclass(slots=True)
class Said:
    """An utterance of a stream, in milliseconds of its audio, and what came of it."""

    name: str
    text: str
    start_ms: float
    end_ms: float
    heard: str = ""


@dataclass(slots=True)
class Stream:
    """What was said in one stream, and what was heard."""

    said: list[Said] = field(default_factory=list)

    def say(self, name: str, text: str, start_ms: float, end_ms: float) -> None:
        """Note an utterance that begins."""
        self.said.append(Said(name, words(text), start_ms, end_ms))

    def hear(self, text: str, span_ms: tuple[int, int] | None) -> str | None:
        """Return the name of the utterance that a final belongs to; None of none."""
        heard = words(text)
        found = self._find_at(sum(span_ms) / 2) if span_ms else self._find_by_words(heard)
        if found is None:
            return None
        found.heard += heard
        return found.name

    @property
    def is_answered(self) -> bool:
        """Whether something was heard of every utterance."""
        return all(each.heard for each in self.said)

    def _find_at(self, middle_ms: float) -> Said | None:
        index = bisect_right(self.said, middle_ms, key=lambda each: each.start_ms) - 1
        return self.said[index] if index >= 0 and middle_ms <= self.said[index].end_ms else None

    def _find_by_words(self, heard: str) -> Said | None:
        lacking = [each for each in self.said if len(each.heard) < len(each.text)]
        fitting = (each for each in lacking if heard and heard in each.text)
        return next(fitting, None) or next(iter(lacking), None)
