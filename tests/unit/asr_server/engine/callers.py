"""Those who speak to an engine, and hold it to the contract of a stream."""

import numpy as np

from asr_server.link import messages

STALE = 999  # what lies where audio was released
MARK = "|"  # the end of an utterance in what a caller has heard


def deliver(callers, reply):
    """Let the caller hear what is meant for it."""
    if hasattr(reply, "stream_id"):
        callers[reply.stream_id].hear(reply)


class Caller:
    """One stream. Audio that is settled is overwritten, so that nobody can read it in secret."""

    def __init__(
        self, front, stream_id, mode="2pass", chunk_size=(0, 10, 5), start=0, first=0, **said
    ):
        self.stream_id = stream_id
        self.opening = messages.OpenStream(stream_id, mode, chunk_size, start, first, **said)
        self.fed = self.settled = start
        self.finals, self.partials, self.order = [], {}, []
        self.outcome = None
        self._front = front
        self._feeds = []

    def feed(self, audio):
        """Return the message that feeds audio."""
        offset = self._front.write(audio)
        self._feeds.append((self.fed, offset, len(audio)))
        self.fed += len(audio)
        return messages.Feed(self.stream_id, offset, len(audio), self._front.clock.now)

    def say(self, *parts):
        """Return the message that feeds (value, seconds) parts."""
        return self.feed(sound(*parts))

    @property
    def end(self):
        return messages.EndStream(self.stream_id, self._front.clock.now)

    def hear(self, reply):
        """Take a reply, and see whether it may come now."""
        assert self.outcome is None, f"{reply} came after {self.outcome}"
        self.order.append(type(reply).__name__)
        match reply:
            case messages.Settled():
                self._settle(reply.position)
            case messages.Partial():
                assert reply.text
                assert self.settled < reply.end <= self.fed
                assert reply.utterance == self.opening.first_utterance + len(self.finals)
                heard = self.partials.get(reply.utterance, "")
                self.partials[reply.utterance] = heard + reply.text
            case messages.Final():
                assert reply.utterance == self.opening.first_utterance + len(self.finals)
                assert self.settled <= reply.start <= reply.end <= self.fed
                assert not self.finals or self.finals[-1].end <= reply.start
                self.finals.append(reply)
            case messages.StreamEnded():
                assert self.settled == self.fed
                self.outcome = "ended"
            case messages.StreamFailed():
                self.outcome = reply.reason

    def _settle(self, position):
        assert self.settled < position <= self.fed
        self.settled = position
        for start, offset, samples in self._feeds:
            if start + samples <= position:
                self._front.audio[offset : offset + samples] = STALE
        self._feeds = [feed for feed in self._feeds if feed[0] + feed[2] > position]


def sound(*parts):
    """Return audio of (value, seconds) parts."""
    values = [np.full(round(seconds * 16_000), value, dtype=np.int16) for value, seconds in parts]
    return np.concatenate(values) if values else np.zeros(0, dtype=np.int16)
