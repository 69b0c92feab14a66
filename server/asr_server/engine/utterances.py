"""One utterance on its way through the stages: what is known of it, and what it waits for.

No torch, no queues: only audio in, and the results of the stages put together.
"""

from collections.abc import Sequence

from asr_server.engine.protocols import Audio
from asr_server.link import messages
from asr_server.scheduling import work
from asr_server.speech import spans

SAMPLES_PER_S = 16_000
_SAMPLES_PER_MS = SAMPLES_PER_S // 1000


class Utterance:
    """The audio of one request, the spans of speech in it, and the tokens of each."""

    def __init__(self, request: messages.Recognize, audio: Audio) -> None:
        self.request = request
        self._audio = audio
        self._spans: Sequence[spans.Span] = ()
        self._tokens: list[tuple[str, ...] | None] = []
        self._missing = 0

    @property
    def is_recognized(self) -> bool:
        """Whether every span has its tokens."""
        return not self._missing

    def whole_audio(self, _index: int) -> Audio:
        """Return all samples."""
        return self._audio

    def segment_audio(self, index: int) -> Audio:
        """Return the samples of one span."""
        span = self._spans[index]
        return self._audio[span.start_ms * _SAMPLES_PER_MS : span.end_ms * _SAMPLES_PER_MS]

    def all_tokens(self, _index: int = 0) -> list[str]:
        """Return the tokens of all spans, in order."""
        return [token for tokens in self._tokens for token in tokens or ()]

    def take_spans(self, found: Sequence[spans.Span]) -> None:
        """Note where speech is; its tokens are missing from now on."""
        self._spans = found
        self._tokens = [None] * len(found)
        self._missing = len(found)

    def take_tokens(self, index: int, tokens: tuple[str, ...]) -> None:
        """Note the tokens of one span."""
        self._tokens[index] = tokens
        self._missing -= 1

    def whole_work(self, now: float) -> work.WorkItem:
        """Return the work of finding its speech; it waits since the front received it."""
        audio_s = self.request.samples / SAMPLES_PER_S
        return self._work(0, audio_s, self.request.deadline, min(now, self.request.received_at))

    def segment_works(self, now: float) -> list[work.WorkItem]:
        """Return the work of recognising each of its spans."""
        return [
            self._work(
                index,
                (span.end_ms - span.start_ms) / 1000,
                work.segment_deadline(self.request.deadline, span.start_ms / 1000),
                now,
            )
            for index, span in enumerate(self._spans)
        ]

    def text_work(self, now: float) -> work.WorkItem:
        """Return the work of punctuating it; it is as long as its speech."""
        speech_ms = sum(span.end_ms - span.start_ms for span in self._spans)
        return self._work(0, speech_ms / 1000, self.request.deadline, now)

    def answer(self, text: str) -> messages.Recognized:
        """Return the whole answer."""
        segments = tuple(
            messages.Segment(span.start_ms, span.end_ms, tokens or ())
            for span, tokens in zip(self._spans, self._tokens, strict=True)
        )
        return messages.Recognized(self.request.item_id, text, segments)

    def _work(
        self, index: int, audio_s: float, deadline: float, enqueued_at: float
    ) -> work.WorkItem:
        return work.WorkItem(
            item_id=self.request.item_id,
            index=index,
            item_class=self.request.item_class,
            audio_s=audio_s,
            deadline=deadline,
            received_at=self.request.received_at,
            enqueued_at=enqueued_at,
        )
