"""The account of a load: every utterance that was said, and every answer that came. Pure.

At the end the set received must equal the set sent. What can be wrong, from worst to least:
lost (no answer), doubled (more than one), mixed up (the words of another utterance), refused (an
answer without words because the server could not), misheard (other words than said).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from asr_server.bench import speech
from asr_server.bench.scoring import count_errors


@dataclass(slots=True)
class Entry:
    """One utterance: when its end was due, and what came back, in seconds of the load."""

    said: str
    due_s: float
    answers: list[str] = field(default_factory=list)
    answered_s: float | None = None

    @property
    def latency_s(self) -> float:
        """From the moment its end was due, to its answer; infinite if none came."""
        return math.inf if self.answered_s is None else self.answered_s - self.due_s

    @property
    def errors(self) -> int:
        """Wrong characters of its first answer; all of them if none came."""
        return count_errors(self.said, self.answers[0] if self.answers else "")


@dataclass(frozen=True, slots=True)
class Account:
    """The sums of a load; all but `sent`, `received`, `sessions` and `moved` should be zero."""

    sent: int
    received: int
    lost: int
    doubled: int
    mixed_up: int
    refused: int
    misheard: int
    sessions: int
    moved: int
    said_again: int
    cut: int
    given_up: int
    turned_away: int
    cer: float
    """Wrong characters over those said."""

    @property
    def is_whole(self) -> bool:
        """Whether the set received equals the set sent and no stream was cut."""
        wrong = self.lost, self.doubled, self.mixed_up, self.refused, self.cut, self.given_up
        return not any(wrong)


class Ledger:
    """Takes down what happens. Names of utterances must be unique."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.events: Counter[str] = Counter()
        self._strays = 0

    def send(self, name: str, said: str, due_s: float) -> None:
        """An utterance was said to its end, or is said again after a move."""
        entry = self.entries.setdefault(name, Entry(speech.words(said), due_s))
        entry.due_s = due_s

    def receive(self, name: str, text: str, now_s: float) -> None:
        """An answer came. One that belongs to nothing that was said counts as doubled."""
        entry = self.entries.get(name)
        if entry is None:
            self._strays += 1
            return
        entry.answers.append(speech.words(text))
        if entry.answered_s is None:
            entry.answered_s = now_s

    def hear(self, name: str, text: str, now_s: float) -> None:
        """A final of a live stream came, which may be a part of an utterance with pauses.

        What comes after all the words have come is another answer.
        """
        entry = self.entries[name]
        if not entry.answers or entry.answers[0] == entry.said:
            self.receive(name, text, now_s)
            return
        entry.answers[0] += speech.words(text)
        entry.answered_s = now_s

    def stray(self) -> None:
        """An answer came that belongs to nothing that was said, or makes no sense."""
        self._strays += 1

    def count(self, event: str) -> None:
        """Count what happened to a session: `session moved said_again cut given_up turned_away`."""
        self.events[event] += 1

    def settle(self) -> Account:
        """Add everything up."""
        entries = self.entries.values()
        said = {entry.said for entry in entries}
        heard = [answer for entry in entries for answer in entry.answers]
        wrong = [
            answer
            for entry in entries
            for answer in entry.answers
            if answer not in ("", entry.said)
        ]
        mixed_up = sum(answer in said for answer in wrong)
        return Account(
            sent=len(entries),
            received=len(heard) + self._strays,
            lost=sum(not entry.answers for entry in entries),
            doubled=self._strays + sum(max(0, len(entry.answers) - 1) for entry in entries),
            mixed_up=mixed_up,
            refused=heard.count(""),
            misheard=len(wrong) - mixed_up,
            sessions=self.events["session"],
            moved=self.events["moved"],
            said_again=self.events["said_again"],
            cut=self.events["cut"],
            given_up=self.events["given_up"],
            turned_away=self.events["turned_away"],
            cer=sum(entry.errors for entry in entries)
            / max(1, sum(len(entry.said) for entry in entries)),
        )

    def latencies_s(self, begin_s: float, end_s: float) -> list[float]:
        """Return the latencies of what was due in a span of time; what is lost is infinite."""
        return [e.latency_s for e in self.entries.values() if begin_s <= e.due_s < end_s]


def quantile(values: Iterable[float], ratio: float) -> float | None:
    """Return the smallest value that this share of the values does not exceed; None of none."""
    ordered: Sequence[float] = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(ratio * len(ordered)) - 1)]
