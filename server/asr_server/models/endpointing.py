"""Where speech starts and ends, decided from the frames that a VAD network calls speech.

The decision machine of FunASR 1.4.16 (`funasr/models/fsmn_vad_streaming`), for whole recordings and
for frames as they come, without its loop over frames. Its rules:

1. A window counts the speech frames among the last `window_size_ms`. Speech begins when the count
   reaches `sil_to_speech`, and pauses when it falls to `speech_to_sil` or below.
2. A segment starts `window + lookback` before the frame at which speech began, but never in
   the segment before.
3. It ends when a pause has lasted `max_end_silence` less `speech_to_sil`; its last frame is
   `lookahead` after the pause began.
4. It is cut when it is longer than `max_single_segment`; it ends with the recording at the latest.
5. After an end the window starts anew, empty.

Python runs per pause, and per frame only in those short pieces of live streams in which something
may be decided, where arrays would cost more. What is remembered of a stream is five numbers,
however long it lasts. No torch here, and no audio.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from asr_server.models import speech_window
from asr_server.models.endpoint_rules import FRAME_MS, EndpointConfig, Rules
from asr_server.models.errors import no_number
from asr_server.speech.spans import Span

_NOTHING: tuple[Span, ...] = ()


def classify(silence: NDArray[np.float32], config: EndpointConfig) -> NDArray[np.bool_]:
    """Return which frames are speech, from the probability of silence of each.

    Powers of probabilities, not exponentials of logarithms: a saturated softmax gives exact zeros.
    Raises ArithmeticError where one is NaN, which would be silence for ever after.
    """
    if np.isnan(silence).any():
        raise no_number("the voice activity detector")
    quiet = silence.astype(np.float64)
    threshold = quiet**config.speech_2_noise_ratio + config.speech_noise_thres
    speech: NDArray[np.bool_] = 1.0 - quiet >= threshold
    return speech


class Heard(msgspec.Struct, frozen=True):
    """Where the rules stand after `frames` frames of a stream.

    `recent` has a bit for each frame that the window may still count, the newest lowest, set where
    there was speech. `free` is the first frame that no segment has; `start` is that of the segment
    that is open, `paused` where speech in it paused, if it did.
    """

    frames: int = 0
    recent: int = 0
    free: int = 0
    start: int | None = None
    paused: int | None = None

    def find_decided(self, rules: Rules) -> int:
        """Return the first frame at which a segment may start whose end is not known yet."""
        if self.start is not None:
            return self.start
        return max(self.free, self.frames - rules.reach)

    def find_certain(self, rules: Rules) -> int:
        """Return the frame before which all of the open segment belongs to it, whatever follows."""
        if self.paused is None:
            return self.frames
        return min(self.frames, self.paused + rules.patience - rules.hindsight + 1)


def follow(
    heard: Heard, is_speech: NDArray[np.bool_], rules: Rules
) -> tuple[Heard, Sequence[Span]]:
    """Return where the rules stand after more frames, and the segments whose end became known."""
    return follow_all([heard], is_speech[None], [len(is_speech)], rules)[0]


def follow_all(
    heard: Sequence[Heard], speech: NDArray[np.bool_], counts: Sequence[int], rules: Rules
) -> list[tuple[Heard, Sequence[Span]]]:
    """Return what `follow` does, for many streams: (rows, time), of which each row has a count."""
    if speech.shape[1] > speech_window.FEW_FRAMES:
        rows = zip(heard, speech, counts, strict=True)
        return [
            _decide(
                row, speech_window.open_window(row.recent, row.frames, flags[:count], rules), rules
            )
            for row, flags, count in rows
        ]
    packed = speech_window.pack(speech, counts)
    return [
        _follow_few(row, bits, count, rules)
        for row, bits, count in zip(heard, packed, counts, strict=True)
    ]


def finish(heard: Heard) -> list[Span]:
    """Return the segment that the end of the stream ends, if one is open."""
    if heard.start is None:
        return []
    return [Span(heard.start * FRAME_MS, heard.frames * FRAME_MS)]


def find_spans(is_speech: NDArray[np.bool_], rules: Rules) -> list[Span]:
    """Return the segments of one recording, in order; `is_speech` has one entry per 10 ms."""
    heard, spans = follow(Heard(), is_speech, rules)
    return [*spans, *finish(heard)]


def _follow_few(heard: Heard, bits: int, count: int, rules: Rules) -> tuple[Heard, Sequence[Span]]:
    """Follow `count` frames, the newest in the lowest bit. In most pieces nothing can happen."""
    bits |= heard.recent << count
    total = heard.frames + count
    counted = rules.width + count - 1  # the frames that any window of the piece may count
    spoken = (bits & (1 << counted) - 1).bit_count()
    start, paused = heard.start, heard.paused
    if start is None:
        is_quiet = spoken < rules.speech
    elif paused is None:
        silent = counted - spoken
        is_quiet = silent < rules.width - rules.pause and start + rules.longest >= total
    else:
        is_quiet = spoken < rules.speech and paused + rules.patience >= total
    if is_quiet:
        return Heard(total, bits & (1 << rules.width) - 1, heard.free, start, paused), _NOTHING
    return _decide(heard, speech_window.open_few(bits, total, rules), rules)


def _decide(
    heard: Heard, window: speech_window.Window, rules: Rules
) -> tuple[Heard, Sequence[Span]]:
    machine = _Machine(heard, window, rules)
    while machine.step():
        pass
    return machine.describe(), machine.spans


class _Machine:
    """One walk over the frames of a piece, from decision to decision; frames count from the start.

    `step` makes one decision, and says whether one was to be made.
    """

    def __init__(self, heard: Heard, window: speech_window.Window, rules: Rules):
        self.rules = rules
        self.window = window
        self.next = heard.frames
        self.free, self.start, self.paused = heard.free, heard.start, heard.paused
        self.spans: list[Span] = []

    def step(self) -> bool:
        if self.start is None:
            return self._begin()
        cut = self.start + self.rules.longest
        return self._listen(cut) if self.paused is None else self._wait(self.paused)

    def describe(self) -> Heard:
        window = self.window
        return Heard(window.total, window.recent, self.free, self.start, self.paused)

    def _begin(self) -> bool:
        began = self.window.next_speech(self.next)
        if began is None:
            return False
        self.start = max(self.free, began - self.rules.reach)
        self.next = began + 1
        return True

    def _listen(self, cut: int) -> bool:
        """Look for the pause in which speech may end; one too close to the cut decides nothing."""
        paused = self.window.next_pause(self.next)
        if paused is not None and paused + self.rules.patience <= cut:
            self.paused = paused
            self.next = paused + 1
            return True
        return self._end(cut, cut)

    def _wait(self, paused: int) -> bool:
        """Wait until the pause was long enough, or speech goes on."""
        known = paused + self.rules.patience
        spoken = self.window.next_speech(self.next)
        if spoken is not None and spoken <= known:
            self.paused = None
            self.next = spoken + 1
            return True
        return self._end(known - self.rules.hindsight, known)

    def _end(self, frame: int, known: int) -> bool:
        if self.start is None or known >= self.window.total:
            return False
        self.spans.append(Span(self.start * FRAME_MS, (frame + 1) * FRAME_MS))
        self.free = frame + 1
        self.start = self.paused = None
        self.next = known + 1
        self.window.restart(self.next)
        return True
