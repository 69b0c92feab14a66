"""An engine as sessions see it, which answers late, in any order, or not at all for a while."""

import random
from dataclasses import dataclass

from asr_server.speech.effects import (
    Effect,
    Failure,
    FinalText,
    Hear,
    Hush,
    Listen,
    PartialText,
    SettledTo,
    StreamDone,
    StreamResult,
    Submit,
    Transcript,
)
from asr_server.speech.session import Session


@dataclass(slots=True)
class _Stream:
    heard: int = 0
    answered: int = 0
    utterance: int = 0
    hushed: bool = False


class EngineModel:
    """Answers what a session asked for. Everything is drawn from a seeded source."""

    def __init__(self, session: Session, draw: random.Random) -> None:
        self._session = session
        self._draw = draw
        self._items: list[int] = []
        self._streams: dict[int, _Stream] = {}

    @property
    def busy(self) -> bool:
        """Whether anything is to be answered."""
        return bool(self._items or self._streams)

    def take(self, effect: Effect) -> list[Effect]:
        """Take what the session wants of the engine; return what the session says to that."""
        match effect:
            case Submit(number=number):
                self._items.append(number)
            case Listen(number=number):
                self._streams[number] = _Stream()
            case Hear(number, _, samples):
                return self._hear(number, len(samples))
            case Hush(number=number):
                if number in self._streams:  # it may have failed before
                    self._streams[number].hushed = True
        return []

    def answer(self, now: float, *, fully: bool) -> list[Effect]:
        """Answer something; `fully`: one that ends what it is about, if it can end."""
        numbers = [*self._items, *self._streams]
        number = self._draw.choice(numbers)
        if number in self._items:
            self._items.remove(number)
            failed = self._draw.random() < 0.1
            return self._session.resolve(
                number, Failure("it failed") if failed else Transcript("ok")
            )
        return self._session.take_result(number, self._speak(number, now, fully=fully), now)

    def _hear(self, number: int, samples: int) -> list[Effect]:
        stream = self._streams.get(number)
        stored = samples if stream is not None else 0
        if stream is not None and self._draw.random() < 0.02:
            stored = self._draw.randint(0, samples)
        if stream is not None:
            stream.heard += stored
        if stored == samples:
            return []
        return self._session.refuse_samples(number, samples - stored, "no room")

    def _speak(self, number: int, now: float, *, fully: bool) -> StreamResult:
        stream = self._streams[number]
        if self._draw.random() < 0.03 or (fully and not stream.hushed):
            del self._streams[number]
            return Failure("the stream failed")
        if stream.hushed and (fully or self._draw.random() < 0.3):
            del self._streams[number]
            return StreamDone()
        kind = self._draw.random()
        if kind < 0.4:
            return PartialText(stream.utterance, self._draw.choice(["", "a", "好"]), now)
        start = self._draw.randint(stream.answered, stream.heard)
        if kind < 0.6:
            return SettledTo(start)
        end = self._draw.randint(start, stream.heard)
        stream.answered = end
        stream.utterance += 1
        text = self._draw.choice(["", "好。"])
        return FinalText(stream.utterance - 1, start, end, text, now, now)
