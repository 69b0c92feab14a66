"""A hostile client against the session alone: what must hold whatever it says."""

import json
import random
from collections import Counter
from typing import Any

from asr_server.speech import messages
from asr_server.speech.effects import (
    Disconnect,
    Effect,
    Hear,
    Increment,
    Reply,
    SessionLimits,
    Submit,
)
from asr_server.speech.session import Session
from benchmarks.fuzz.engine_model import EngineModel
from benchmarks.fuzz.grammar import Message, Speaker

LIMITS = [SessionLimits(1000.0, 1000.0, 1000), SessionLimits(1.0, 1.5, 6)]
ANSWERS = 10_000  # more for one conversation would be a loop
SHAPE: dict[str, type] = {"mode": str, "text": str, "is_final": bool, "wav_name": str}


class Conversation:
    """One session from its first message to its last answer; a broken rule is an AssertionError."""

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(f"engine {seed}")
        self._limits = self._draw.choice(LIMITS)
        self._session = Session(self._limits)
        self._engine = EngineModel(self._session, self._draw)
        self._said = Speaker(seed).talk()
        self._options = messages.Options()
        self._ends: list[tuple[str, bool]] = []
        self._finals: list[str] = []
        self.counts: Counter[str] = Counter()
        self._now = 0.0

    def run(self) -> None:
        """Say everything, have everything answered, and judge. Raises whatever went wrong."""
        for message in self._said:
            self._now += 0.01
            self._say(message)
            if self.counts["disconnect"]:
                return  # the connection closes the session, with all that it owes
            while self._engine.busy and self._draw.random() < 0.4:
                self._take(self._engine.answer(self._now, fully=False))
        if self._session.in_input:
            self._say(json.dumps({"is_speaking": False, "is_end": True}))
        for _ in range(ANSWERS):
            if not self._engine.busy:
                break
            self._take(self._engine.answer(self._now, fully=True))
        self._judge()

    def _say(self, message: Message) -> None:
        self.counts["messages"] += 1
        if isinstance(message, bytes):
            self._take(self._session.receive_audio(message))
            return
        control = messages.parse_control(message, self._options)
        if isinstance(control, messages.Control):
            self._options = control.options
            if control.ends_input:
                self._ends.append((control.options.name, control.wants_acknowledgement))
        else:
            self.counts["malformed"] += 1
        self._take(self._session.receive_text(message, self._now))

    def _take(self, due: list[Effect]) -> None:
        for effect in due:
            match effect:
                case Reply(message=message):
                    self._read(json.loads(message))
                case Increment(name=name, text=text):
                    assert name is not None
                    assert text
                case Disconnect():
                    self.counts["disconnect"] += 1
                case Submit(samples=samples) | Hear(samples=samples):
                    self.counts["samples"] += len(samples)
            self._take(self._engine.take(effect))

    def _read(self, message: dict[str, Any]) -> None:
        wrong = [key for key, kind in SHAPE.items() if type(message.get(key)) is not kind]
        assert not wrong, f"a message without {wrong}: {message}"
        self.counts["replies"] += 1
        self.counts["errors"] += "error" in message
        if "is_end" in message:
            self.counts["acknowledgements"] += 1
            received_ms, processed_ms = message["received_ms"], message["processed_ms"]
            assert 0 <= processed_ms <= received_ms, message
            assert "error" in message or processed_ms == received_ms, message
        elif message["is_final"]:
            self._finals.append(message["wav_name"])

    def _judge(self) -> None:
        if self.counts["disconnect"]:
            return
        names = [name for name, _ in self._ends]
        assert self._finals == names, f"ends of {names} were answered as {self._finals}"
        wanted = sum(acknowledge for _, acknowledge in self._ends)
        assert self.counts["acknowledgements"] == wanted
        assert self._session.pending == 0
        assert self._session.held_samples == 0, self._session.held_samples
        assert not self._session.in_input
