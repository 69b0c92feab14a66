"""What a server says about one input, put together. Pure.

Rules
1. Texts of partials add up until a final of their sentence replaces them (2pass), or until their
   sentence or the input ends (online). Texts of finals are the transcript.
2. An input is answered by the message that is final; in offline mode also by the first one that
   tells no error, because FunASR's C++ server never says that it is final.
3. An acknowledgement ends the input and tells how much was received. Servers that know none just
   stop talking.
"""

from dataclasses import dataclass, field

from asr_server.speech import subtitles
from asr_server.speech.replies import ServerReply
from asr_server.speech.subtitles import Cue


@dataclass(slots=True)
class Transcript:
    """The words of one input, so far."""

    mode: str
    texts: list[str] = field(default_factory=list)
    partial: str = ""
    cues: list[Cue] = field(default_factory=list)
    received_ms: int | None = None
    problem: str | None = None
    answered: bool = False
    acknowledged: bool = False
    _timed: bool = True

    @property
    def text(self) -> str:
        """Everything that is certain, with spaces where the script has them."""
        joined = ""
        for text in self.texts:
            spaced = joined[-1:].isascii() and text[:1].isascii() and joined and text
            joined += f" {text}" if spaced else text
        return joined

    def take(self, reply: ServerReply) -> str | None:
        """Take a message of the server; return the text that has become certain by it, if any."""
        if reply.error is not None:
            self.problem = reply.error
        if reply.acknowledges:
            self.answered = self.acknowledged = True
            self.received_ms = reply.received_ms
            return None
        if reply.mode in ("online", "2pass-online"):
            self.partial += reply.text
            ends = self.mode == "online" and (reply.final or reply.span_ms is not None)
            certain = self._end_online(reply) if ends else None
        else:
            certain = self._add(reply)
        offline = self.mode == "offline" and reply.error is None
        self.answered = self.answered or reply.final or offline
        return certain

    def segments(self, duration_ms: int) -> list[Cue]:
        """Return what was said when, in pieces that can be read at once.

        Where the server told no times, the whole duration is shared out.
        """
        if self._timed and self.cues:
            return subtitles.cut_cues(self.cues)
        return subtitles.cut_text(self.text, 0, duration_ms)

    def _end_online(self, reply: ServerReply) -> str | None:
        text, self.partial = self.partial, ""
        if not text:
            return None
        self.texts.append(text)
        self._timed = self._timed and reply.span_ms is not None
        self.cues += [Cue(*reply.span_ms, text)] if reply.span_ms else []
        return text

    def _add(self, reply: ServerReply) -> str | None:
        self.partial = ""
        if not reply.text:
            return None
        self.texts.append(reply.text)
        self.cues += reply.cues
        self._timed = self._timed and bool(reply.cues)
        return reply.text
