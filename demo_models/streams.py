"""Recordings of several utterances with gaps between them, and where in them somebody speaks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo_models import dataset, speech

STEP_SAMPLES = 160
STEP_MS = 10
_WINDOW_SAMPLES = 400
_QUIET_DB = 35
_EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Stream:
    """A recording and the spans, in milliseconds, in which somebody speaks."""

    samples: speech.Samples
    spans: list[tuple[float, float]]

    def labels(self) -> NDArray[np.int64]:
        """Return 1 for each 10 ms of speech, else 0."""
        steps = max(0, (len(self.samples) - _WINDOW_SAMPLES) // STEP_SAMPLES + 1)
        labels = np.zeros(steps, np.int64)
        for start_ms, end_ms in self.spans:
            labels[int(start_ms / STEP_MS) : int(end_ms / STEP_MS)] = 1
        return labels


@dataclass(frozen=True, slots=True)
class Gaps:
    """How long a pause between utterances is, in seconds, and how often something sounds in it."""

    shortest_s: float
    longest_s: float
    tone_ratio: float = 0.0


def trim(audio: NDArray[np.int16]) -> speech.Samples:
    """Return what lies between the first and the last loud 10 ms of a clean utterance."""
    samples = audio.astype(np.float32) / np.float32(32768)
    steps = (len(samples) - _WINDOW_SAMPLES) // STEP_SAMPLES + 1
    framed = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES)
    power = np.square(framed[::STEP_SAMPLES][:steps]).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_QUIET_DB / 10))
    return samples[loud[0] * STEP_SAMPLES : loud[-1] * STEP_SAMPLES + _WINDOW_SAMPLES]


def join(
    draw: random.Random, data: dataset.Dataset, rows: Sequence[dataset.Row], gaps: Gaps
) -> Stream:
    """Return the utterances at levels of their own, in silence."""
    parts = [_draw_gap(draw, gaps)]
    spans: list[tuple[float, float]] = []
    start = len(parts[0])
    for row in rows:
        spoken = trim(data.audio(row)) * 10 ** draw.uniform(-0.9, 0)
        gap = _draw_gap(draw, gaps)
        spans.append((start / 16, (start + len(spoken)) / 16))
        parts += [spoken, gap]
        start += len(spoken) + len(gap)
    return Stream(np.concatenate(parts).astype(np.float32), spans)


def disturb(draw: random.Random, stream: Stream, lowest_snr_db: float) -> Stream:
    """Return a stream with noise over all of it, sometimes from a telephone."""
    samples = stream.samples
    if draw.random() < 0.9:  # a tenth keeps digital silence
        samples = speech.add_noise(draw, samples, draw.uniform(lowest_snr_db, 45))
    if draw.random() < 0.3:
        samples = speech.limit_band(samples)
    return Stream(np.clip(samples, -1, 1), stream.spans)


def _draw_gap(draw: random.Random, gaps: Gaps) -> speech.Samples:
    samples = int(draw.uniform(gaps.shortest_s, gaps.longest_s) * speech.RATE_HZ)
    gap = np.zeros(samples, np.float32)
    if draw.random() < gaps.tone_ratio:
        gap += speech.draw_tones(draw, samples) * 10 ** draw.uniform(-2, -0.5)
    return gap
