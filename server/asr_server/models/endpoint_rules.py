"""The settings of the rules by which speech starts and ends, as a model folder has them, and in
frames, as `endpointing` counts.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

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
        if not self.sil_pdf_ids:
            raise ValueError("sil_pdf_ids must name the states of silence")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is decided by, in frames.

    A window has `width` frames; speech begins with `speech` of them, and pauses with `pause` or
    fewer. A segment starts `reach` before the frame at which speech began, ends when a pause has
    lasted `patience`, `hindsight` before that, and is cut when it is longer than `longest`.
    """

    width: int
    speech: int
    pause: int
    reach: int
    patience: int
    hindsight: int
    longest: int


def read_rules(config: EndpointConfig, max_end_silence_ms: int) -> Rules:
    """Return the rules of a model, with the silence that ends a segment."""
    width = config.window_size_ms // FRAME_MS
    patience_ms = max_end_silence_ms - config.speech_to_sil_time_thres
    lookahead = config.lookahead_time_end_point // FRAME_MS + 1
    return Rules(
        width=width,
        speech=config.sil_to_speech_time_thres // FRAME_MS,
        pause=config.speech_to_sil_time_thres // FRAME_MS,
        reach=width + config.lookback_time_start_point // FRAME_MS,
        patience=max(1, -(-patience_ms // FRAME_MS)),
        hindsight=max(0, patience_ms // FRAME_MS - lookahead),
        longest=config.max_single_segment_time // FRAME_MS,
    )
