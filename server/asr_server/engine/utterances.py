"""One utterance on its way through the stages: what is known of it, and what it waits for.

1. The VAD hears it as a whole, or a long one piece by piece, so that nobody waits for its hour.
2. What is found is recognised while the rest is still heard.
3. The tokens of all its speech are punctuated together.

No torch, no clock: audio in, and the results of the stages put together.
"""

from typing import Any

from asr_server.engine import feeds, listener, pipeline, stages
from asr_server.link import messages
from asr_server.models import tokens as token_text
from asr_server.scheduling import work
from asr_server.speech import pieces, sounds, spans, words

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
        audio: feeds.Feeds,
        line: pipeline.Pipeline,
        send: stages.Send,
    ) -> None:
        self.work_id = work_id
        self._request = request
        self._audio = audio
        self._line = line
        self._send = send
        self._spans: list[spans.Span] = []
        self._words: list[words.Words] = []
        self._missing = 0  # spans that have no tokens yet
        self._is_heard = False

    def start(self, now: float) -> None:
        """Ask where its speech is; it waits since the front received it."""
        since = min(now, self._request.received_at)
        end = self._audio.end
        if end > listener.MOST_SAMPLES:
            listener.Listener(self._line, self._audio, 0, self).close(since)
            return
        item = self._plan_work(0, end / SAMPLES_PER_S, self._request.deadline, since)
        self._line.vad.add(
            stages.Task(item, lambda: self._audio.audio(0, end), self._take_all_spans, self.fail)
        )

    def piece_work(self, start: int, end: int, now: float) -> work.WorkItem:
        """Return the work of hearing the samples from `start` to `end`."""
        deadline = work.piece_deadline(self._request.deadline, start / SAMPLES_PER_S)
        return self._plan_work(0, (end - start) / SAMPLES_PER_S, deadline, now)

    def take_endpoints(self, found: pieces.Endpoints[Any], now: float, *, last: bool) -> None:
        """Take what the VAD knows after a piece."""
        self._take_spans(sounds.Detected(found.ended), now, last=last)

    def fail(self, reason: str) -> None:
        """Give it up."""
        self._send(messages.Failed(self._request.item_id, reason))

    def _take_all_spans(self, found: sounds.Detected, now: float) -> None:
        self._take_spans(found, now, last=True)

    def _take_spans(self, found: sounds.Detected, now: float, *, last: bool) -> None:
        self._is_heard = last
        for span in found.spans:
            self._spans.append(span)
            self._words.append(words.Words())
            self._missing += 1
            self._recognize(len(self._spans) - 1, span, found, now)
        self._go_on(now)

    def _recognize(
        self, index: int, span: spans.Span, found_in: sounds.Detected, now: float
    ) -> None:
        start, end = span.start_ms * SAMPLES_PER_MS, span.end_ms * SAMPLES_PER_MS
        deadline = work.segment_deadline(self._request.deadline, span.start_ms / 1000)

        def take(found: words.Words, now: float) -> None:
            self._words[index] = found.later(span.start_ms)
            self._missing -= 1
            self._go_on(now)

        self._line.asr.add(
            stages.Task(
                self._plan_work(index, (end - start) / SAMPLES_PER_S, deadline, now),
                lambda: (found_in.sound(span, self._audio.audio(start, end)), self._request.hints),
                take,
                self.fail,
            )
        )

    def _go_on(self, now: float) -> None:
        """Punctuate and answer, once everything is recognised."""
        if self._missing or not self._is_heard:
            return
        spoken = [token for found in self._words for token in found.tokens]
        if self._line.punc is None or not spoken:
            self._answer(token_text.join(spoken))
            return
        speech_ms = sum(span.end_ms - span.start_ms for span in self._spans)
        item = self._plan_work(0, speech_ms / 1000, self._request.deadline, now)
        self._line.punc.add(
            stages.Task(item, lambda: spoken, lambda text, _now: self._answer(text), self.fail)
        )

    def _answer(self, text: str) -> None:
        segments = tuple(
            messages.Segment(span.start_ms, span.end_ms, *found)
            for span, found in zip(self._spans, self._words, strict=True)
        )
        self._send(messages.Recognized(self._request.item_id, text, segments))

    def _plan_work(self, index: int, audio_s: float, deadline: float, now: float) -> work.WorkItem:
        return work.WorkItem(
            item_id=self.work_id,
            index=index,
            item_class=self._request.item_class,
            audio_s=audio_s,
            deadline=deadline,
            received_at=self._request.received_at,
            enqueued_at=now,
        )
