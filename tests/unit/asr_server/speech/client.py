"""A client of the session state machine, for the tests of all modes."""

import json

from asr_server.speech import messages
from asr_server.speech.effects import (
    Disconnect,
    Dropped,
    Hear,
    Increment,
    Listen,
    Reply,
    SessionLimits,
    Submit,
    Transcript,
)
from asr_server.speech.session import Session

SECOND = b"\x01\x00" * 16000
LIMITS = SessionLimits(utterance_s=10.0, queued_s=15.0, replies=8)
END = {"is_speaking": False}
ACK = {"is_speaking": False, "is_end": True}


class Client:
    """Talks to a session and keeps what comes out; the engine answers when the test says so."""

    def __init__(self, limits=LIMITS):
        self.session = Session(limits)
        self.replies, self.asked, self.answered, self.dropped = [], [], [], []
        self.disconnects = []

    def send(self, *parts, now=0.0):
        for part in parts:
            if isinstance(part, bytes):
                self.take(self.session.receive_audio(part))
            else:
                text = part if isinstance(part, str) else json.dumps(part)
                self.take(self.session.receive_text(text, now))
        return self

    def hear(self, *results, number=1, now=0.0):
        """Let the engine say something of a live input."""
        for result in results:
            self.take(self.session.take_result(number, result, now))
        return self

    def resolve(self, number, result=None):
        """Let the engine answer an utterance."""
        self.take(self.session.resolve(number, result or Transcript(f"text {number}")))
        return self

    def take(self, effects):
        for effect in effects:
            match effect:
                case Reply(message, answered):
                    self.replies.append(json.loads(message))
                    self.answered += [answered] if answered else []
                case Increment(mode, name, _, text):
                    self.replies.append(json.loads(messages.render_partial(mode, name, text)))
                case Dropped():
                    self.dropped.append(effect)
                case Disconnect(reason):
                    self.disconnects.append(reason)
                case _:
                    self.asked.append(effect)

    @property
    def texts(self):
        return [reply["text"] for reply in self.replies if reply["is_final"]]

    @property
    def said(self):
        return [(reply["mode"], reply["text"], reply["is_final"]) for reply in self.replies]

    @property
    def submits(self):
        return [effect for effect in self.asked if isinstance(effect, Submit)]

    @property
    def heard(self):
        return {
            number: sum(
                len(e.samples) for e in self.asked if isinstance(e, Hear) and e.number == number
            )
            for number in {e.number for e in self.asked if isinstance(e, Listen)}
        }
