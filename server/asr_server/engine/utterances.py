"""One utterance on its way through the stages: what is known of it, and what it waits for.

No torch, no clock: audio in, and the results of the stages put together.
"""

from collections.abc import Sequence

from asr_server.engine import pipeline, stages
from asr_server.engine.protocols import Audio
from asr_server.link import messages
from asr_server.models import tokens as token_text
from asr_server.scheduling import work
from asr_server.speech import spans

SAMPLES_PER_S = 16_000
SAMPLES_PER_MS = SAMPLES_PER_S // 1000


class Utterance:
    """The audio of one request, the spans of speech in it, and the tokens of each.

    `work_id` is the id of all its work; `Recognized` or `Failed` is the one message it sends.
    """

    def __init__(
        self,
        request: messages.Recognize,
        work_id: int,
        audio: Audio,
        line: pipeline.Pipeline,
        send: stages.Send,
    ) -> None:
        self.work_id = work_id
        self._request = request
        self._audio = audio
        self._line = line
        self._send = send
        self._spans: Sequence[spans.Span] = ()
        self._tokens: list[tuple[str, ...]] = []
        self._missing = 0

    def start(self, now: float) -> None:
        """Ask where its speech is; it waits since the front received it."""
        enqueued_at = min(now, self._request.received_at)
        audio_s = len(self._audio) / SAMPLES_PER_S
        item = self._work(0, audio_s, self._request.deadline, enqueued_at)
        self._line.vad.add(stages.Task(item, lambda: self._audio, self._take_spans, self._fail))

    def _take_spans(self, found: Sequence[spans.Span], now: float) -> None:
        self._spans = found
        self._tokens = [()] * len(found)
        self._missing = len(found)
        for index in range(len(found)):
            self._recognize(index, now)
        if not found:
            self._answer("")

    def _recognize(self, index: int, now: float) -> None:
        span = self._spans[index]
        deadline = work.segment_deadline(self._request.deadline, span.start_ms / 1000)
        item = self._work(index, (span.end_ms - span.start_ms) / 1000, deadline, now)
        samples = slice(span.start_ms * SAMPLES_PER_MS, span.end_ms * SAMPLES_PER_MS)

        def take(tokens: tuple[str, ...], now: float) -> None:
            self._take_tokens(index, tokens, now)

        self._line.asr.add(stages.Task(item, lambda: self._audio[samples], take, self._fail))

    def _take_tokens(self, index: int, tokens: tuple[str, ...], now: float) -> None:
        self._tokens[index] = tokens
        self._missing -= 1
        if self._missing:
            return
        spoken = [token for tokens in self._tokens for token in tokens]
        if self._line.punc and spoken:
            speech_ms = sum(span.end_ms - span.start_ms for span in self._spans)
            item = self._work(0, speech_ms / 1000, self._request.deadline, now)
            self._line.punc.add(
                stages.Task(item, lambda: spoken, lambda text, _now: self._answer(text), self._fail)
            )
        else:
            self._answer(token_text.join(spoken))

    def _answer(self, text: str) -> None:
        segments = tuple(
            messages.Segment(span.start_ms, span.end_ms, tokens)
            for span, tokens in zip(self._spans, self._tokens, strict=True)
        )
        self._send(messages.Recognized(self._request.item_id, text, segments))

    def _fail(self, reason: str) -> None:
        self._send(messages.Failed(self._request.item_id, reason))

    def _work(
        self, index: int, audio_s: float, deadline: float, enqueued_at: float
    ) -> work.WorkItem:
        return work.WorkItem(
            item_id=self.work_id,
            index=index,
            item_class=self._request.item_class,
            audio_s=audio_s,
            deadline=deadline,
            received_at=self._request.received_at,
            enqueued_at=enqueued_at,
        )
