"""One live input on its way to an engine, whichever it is at the moment, and its words back."""

from collections.abc import Callable

import msgspec

from asr_server.link import messages
from asr_server.link.arena import Arena
from asr_server.service.stream_audio import StreamAudio
from asr_server.speech import effects
from asr_server.speech.repeats import Repeats
from asr_server.speech.words import Words

Deliver = Callable[[effects.StreamResult], None]


class LiveStream:
    """What is to be known of a stream so that any engine can go on with it."""

    def __init__(self, opening: messages.OpenStream, deliver: Deliver, arena: Arena) -> None:
        self.audio = StreamAudio(arena)
        self.deliver = deliver
        self.ended_at: float | None = None
        self._opening = opening
        self._repeats = Repeats(whole_finals=opening.mode == "2pass")
        self._utterance = 0  # the next one to be answered

    @property
    def is_exposed(self) -> bool:
        """Whether an engine has audio of it that is not settled."""
        return self.audio.sent > self.audio.settled

    def render_opening(self) -> list[messages.ToEngine]:
        """Return what tells an engine that knows nothing of the stream all that is not settled."""
        self.audio.rewind()
        self._repeats.start_again()
        opening, start = self._opening, self.audio.settled
        again = msgspec.structs.replace(opening, start=start, first_utterance=self._utterance)
        return [again, *self.render_news()]

    def render_news(self) -> list[messages.ToEngine]:
        """Return what the engine was not told yet."""
        stream_id = self._opening.stream_id
        feeds: list[messages.ToEngine] = [
            messages.Feed(
                stream_id, part.offset, part.samples, self.audio.arrival(part.start + 1) or 0.0
            )
            for part in self.audio.take_unsent()
        ]
        if self.ended_at is not None:
            feeds.append(messages.EndStream(stream_id, self.ended_at))
        return feeds

    def take_partial(self, partial: messages.Partial) -> effects.PartialText:
        """Return what is new in it, and when the newest audio of it came."""
        heard_at = self.audio.arrival(partial.end) if partial.end else None
        text = self._repeats.take_partial(partial.text)
        return effects.PartialText(partial.utterance, text, heard_at)

    def take_final(self, final: messages.Final, now: float) -> effects.FinalText:
        """Return what is new in it, when its audio began to come, and when its end could be known.

        What it says is settled.
        """
        began_at = self.audio.arrival(final.start + 1)
        ended_at = self.audio.arrival(max(final.end, final.decided))
        self._utterance = final.utterance + 1
        self.audio.settle(final.end)
        return effects.FinalText(
            final.utterance,
            final.start,
            final.end,
            self._repeats.take_final(final.text),
            now if began_at is None else began_at,
            now if ended_at is None else ended_at,
            Words(final.tokens, final.stamps),
        )
