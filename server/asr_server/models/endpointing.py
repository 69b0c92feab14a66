"""Where speech starts and ends, decided from the frames that a VAD network calls speech.

The decision machine of FunASR 1.4.16 (`funasr/models/fsmn_vad_streaming`) for whole recordings,
without its loop over frames. Its rules:

1. A window counts the speech frames among the last `window_size_ms`. Speech begins when the count
   reaches `sil_to_speech`, and pauses when it falls to `speech_to_sil` or below.
2. A segment starts `window + lookback` before the frame at which speech began, but never in
   the segment before.
3. It ends when a pause has lasted `max_end_silence` less `speech_to_sil`; its last frame is
   `lookahead` after the pause began.
4. It is cut when it is longer than `max_single_segment`; it ends with the recording at the latest.
5. After an end the window starts anew, empty.

Python runs per pause, never per frame. No torch here, and no audio.
"""

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from asr_server.speech.spans import Span

FRAME_MS = 10
_BLOCK_FRAMES = 512


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
    """
    quiet = silence.astype(np.float64)
    threshold = quiet**config.speech_2_noise_ratio + config.speech_noise_thres
    speech: NDArray[np.bool_] = 1.0 - quiet >= threshold
    return speech


def find_spans(
    is_speech: NDArray[np.bool_], config: EndpointConfig, max_end_silence_ms: int
) -> list[Span]:
    """Return the segments of one recording, in order; `is_speech` has one entry per 10 ms."""
    window = _Window(is_speech, config)
    reach = _frames(config.window_size_ms) + _frames(config.lookback_time_start_point)
    longest = _frames(config.max_single_segment_time)
    spans: list[Span] = []
    free = 0
    began = window.next_speech(0)
    while began is not None:
        start = max(free, began - reach)
        end, known = _find_end(window, began, start + longest, max_end_silence_ms)
        spans.append(Span(start * FRAME_MS, (end + 1) * FRAME_MS))
        free = end + 1
        window.restart(known + 1)
        began = window.next_speech(known + 1)
    return spans


def _find_end(
    window: "_Window", began: int, limit: int, max_end_silence_ms: int
) -> tuple[int, int]:
    """Return a segment's last frame, and the frame at which that is known."""
    config = window.config
    patience_ms = max_end_silence_ms - config.speech_to_sil_time_thres
    patience = max(1, -(-patience_ms // FRAME_MS))
    lookahead = _frames(config.lookahead_time_end_point) + 1
    hindsight = max(0, patience_ms // FRAME_MS - lookahead)
    cut = min(limit, window.total - 1)
    speaking: int | None = began
    while speaking is not None and speaking < cut:
        paused = window.next_pause(speaking + 1)
        if paused is None or paused + patience > cut:
            break
        known = paused + patience
        speaking = window.next_speech(paused + 1)
        if speaking is None or speaking > known:
            return known - hindsight, known
    return cut, cut


class _Window:
    """How many of the last frames were speech, at each frame."""

    def __init__(self, is_speech: NDArray[np.bool_], config: EndpointConfig):
        self.config = config
        self.total = len(is_speech)
        self.width = _frames(config.window_size_ms)
        self.sums = np.concatenate([[0], np.cumsum(is_speech, dtype=np.int64)])
        before = np.concatenate([np.zeros(self.width, dtype=np.int64), self.sums])
        self.counts = self.sums[1:] - before[1 : self.total + 1]

    def restart(self, frame: int) -> None:
        """Forget the frames before `frame`."""
        stop = min(frame + self.width, self.total)
        self.counts[frame:stop] = self.sums[frame + 1 : stop + 1] - self.sums[frame]

    def next_speech(self, frame: int) -> int | None:
        """Return the first frame, from `frame` on, at which speech has begun."""
        wanted = _frames(self.config.sil_to_speech_time_thres)
        return self._first(frame, lambda counts: counts >= wanted)

    def next_pause(self, frame: int) -> int | None:
        """Return the first frame, from `frame` on, at which speech has paused."""
        wanted = _frames(self.config.speech_to_sil_time_thres)
        return self._first(frame, lambda counts: counts <= wanted)

    def _first(
        self, frame: int, condition: Callable[[NDArray[np.int64]], NDArray[np.bool_]]
    ) -> int | None:
        for start in range(frame, self.total, _BLOCK_FRAMES):
            hits = condition(self.counts[start : start + _BLOCK_FRAMES])
            first = int(hits.argmax())
            if hits[first]:
                return start + first
        return None


def _frames(ms: int) -> int:
    return ms // FRAME_MS
