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

Python runs per pause, and per frame only in the short pieces of live streams, where arrays would
cost more. What is remembered of a stream is five numbers, however long it lasts. No torch here, and
no audio.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from asr_server.models import speech_window
from asr_server.models.errors import no_number
from asr_server.speech.spans import Span

FRAME_MS = 10


class EndpointConfig(msgspec.Struct, frozen=True):
    """`model_conf` of a FunASR VAD's config.yaml; times in milliseconds.

    Loudness thresholds are not supported: at FunASR's defaults, -100 dB, they decide nothing.
    """

    detect_mode: Literal[1] = 1
    do_extend: Literal[1] = 1
    frame_in_ms: Literal[10] = 10
    window_size_ms: int = 200
    sil_to_speech_time_thres: int = 150
    speech_to_sil_time_thres: int = 150
    speech_2_noise_ratio: float = 1.0
    lookback_time_start_point: int = 200
    lookahead_time_end_point: int = 100
    max_single_segment_time: int = 60000
    speech_noise_thres: float = 0.6
    sil_pdf_ids: tuple[int, ...] = (0,)
    snr_thres: float = -100.0
    decibel_thres: float = -100.0

    def __post_init__(self) -> None:
        if max(self.snr_thres, self.decibel_thres) > -100.0:
            raise ValueError("snr_thres and decibel_thres must be -100")


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


@dataclass(frozen=True, slots=True)
class Heard:
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

    def find_decided(self, config: EndpointConfig) -> int:
        """Return the first frame at which a segment may start whose end is not known yet."""
        if self.start is not None:
            return self.start
        return max(self.free, self.frames - _find_reach(config))

    def find_certain(self, config: EndpointConfig, max_end_silence_ms: int) -> int:
        """Return the frame before which all of the open segment belongs to it, whatever follows."""
        if self.paused is None:
            return self.frames
        patience, hindsight = _find_patience(config, max_end_silence_ms)
        return min(self.frames, self.paused + patience - hindsight + 1)


def follow(
    heard: Heard, is_speech: NDArray[np.bool_], config: EndpointConfig, max_end_silence_ms: int
) -> tuple[Heard, list[Span]]:
    """Return where the rules stand after more frames, and the segments whose end became known."""
    machine = _Machine(heard, is_speech, config, max_end_silence_ms)
    while machine.step():
        pass
    return machine.describe(), machine.spans


def find_hindsight_ms(config: EndpointConfig, max_end_silence_ms: int) -> int:
    """Return how long after the end of a segment, which a pause ends, that is known."""
    return _find_patience(config, max_end_silence_ms)[1] * FRAME_MS


def finish(heard: Heard) -> list[Span]:
    """Return the segment that the end of the stream ends, if one is open."""
    if heard.start is None:
        return []
    return [Span(heard.start * FRAME_MS, heard.frames * FRAME_MS)]


def find_spans(
    is_speech: NDArray[np.bool_], config: EndpointConfig, max_end_silence_ms: int
) -> list[Span]:
    """Return the segments of one recording, in order; `is_speech` has one entry per 10 ms."""
    heard, spans = follow(Heard(), is_speech, config, max_end_silence_ms)
    return [*spans, *finish(heard)]


class _Machine:
    """One walk over the frames of a piece, from decision to decision; frames count from the start.

    `step` makes one decision, and says whether one was to be made.
    """

    def __init__(
        self,
        heard: Heard,
        is_speech: NDArray[np.bool_],
        config: EndpointConfig,
        max_end_silence_ms: int,
    ):
        self.patience, self.hindsight = _find_patience(config, max_end_silence_ms)
        self.longest = _frames(config.max_single_segment_time)
        self.reach = _find_reach(config)
        self.window = speech_window.open_window(
            heard.recent,
            heard.frames,
            is_speech,
            speech_window.Rule(
                _frames(config.window_size_ms),
                _frames(config.sil_to_speech_time_thres),
                _frames(config.speech_to_sil_time_thres),
            ),
        )
        self.next = heard.frames
        self.free, self.start, self.paused = heard.free, heard.start, heard.paused
        self.spans: list[Span] = []

    def step(self) -> bool:
        if self.start is None:
            return self._begin()
        cut = self.start + self.longest
        return self._listen(cut) if self.paused is None else self._wait(self.paused)

    def describe(self) -> Heard:
        window = self.window
        return Heard(window.total, window.recent, self.free, self.start, self.paused)

    def _begin(self) -> bool:
        began = self.window.next_speech(self.next)
        if began is None:
            return False
        self.start = max(self.free, began - self.reach)
        self.next = began + 1
        return True

    def _listen(self, cut: int) -> bool:
        """Look for the pause in which speech may end; one too close to the cut decides nothing."""
        paused = self.window.next_pause(self.next)
        if paused is not None and paused + self.patience <= cut:
            self.paused = paused
            self.next = paused + 1
            return True
        return self._end(cut, cut)

    def _wait(self, paused: int) -> bool:
        """Wait until the pause was long enough, or speech goes on."""
        known = paused + self.patience
        spoken = self.window.next_speech(self.next)
        if spoken is not None and spoken <= known:
            self.paused = None
            self.next = spoken + 1
            return True
        return self._end(known - self.hindsight, known)

    def _end(self, frame: int, known: int) -> bool:
        if self.start is None or known >= self.window.total:
            return False
        self.spans.append(Span(self.start * FRAME_MS, (frame + 1) * FRAME_MS))
        self.free = frame + 1
        self.start = self.paused = None
        self.next = known + 1
        self.window.restart(self.next)
        return True


def _find_reach(config: EndpointConfig) -> int:
    """Return how far before the frame at which speech began a segment starts."""
    return _frames(config.window_size_ms) + _frames(config.lookback_time_start_point)


def _find_patience(config: EndpointConfig, max_end_silence_ms: int) -> tuple[int, int]:
    """Return how long after a pause began a segment ends, and how far before that its end lies."""
    patience_ms = max_end_silence_ms - config.speech_to_sil_time_thres
    lookahead = _frames(config.lookahead_time_end_point) + 1
    return max(1, -(-patience_ms // FRAME_MS)), max(0, patience_ms // FRAME_MS - lookahead)


def _frames(ms: int) -> int:
    return ms // FRAME_MS
