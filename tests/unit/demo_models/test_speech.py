"""Noise, tones and telephones do to a recording what they are said to do."""

import random

import numpy as np
import pytest

from demo_models import speech, streams

SECOND = speech.RATE_HZ


def power_above(samples, hertz):
    spectrum = np.square(np.abs(np.fft.rfft(samples)))
    first = round(hertz * len(samples) / SECOND)
    return spectrum[first:].sum() / spectrum.sum()


def test_a_telephone_has_nothing_above_4_khz():
    noise = speech.make_noise(random.Random(1), SECOND)
    assert power_above(noise, 4100) > 0.05
    heard = speech.limit_band(noise)
    assert len(heard) == len(noise)
    assert power_above(heard, 4100) < 1e-3


@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_has_the_power_that_the_ratio_says(snr_db):
    tone = 0.1 * speech.make_tone(440, SECOND)
    noisy = speech.add_noise(random.Random(2), tone, snr_db)
    ratio = np.square(tone).mean() / np.square(noisy - tone).mean()
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_recordings_keep_their_length_and_full_scale(seed):
    draw = random.Random(seed)
    quiet = speech.draw_no_speech(draw, SECOND)
    disturbed = speech.disturb(draw, 0.5 * speech.make_tone(300, SECOND))
    for samples in (quiet, disturbed):
        assert samples.dtype == np.float32
        assert len(samples) == SECOND
        assert np.abs(samples).max() <= 1


def test_labels_say_where_somebody_speaks():
    stream = streams.Stream(np.zeros(2 * SECOND, np.float32), [(500.0, 1000.0)])
    labels = stream.labels()
    assert len(labels) == 198
    assert np.flatnonzero(labels).tolist() == list(range(50, 100))


def test_an_utterance_is_trimmed_to_what_is_loud():
    tone = (10000 * speech.make_tone(300, SECOND)).astype(np.int16)
    audio = np.concatenate([np.zeros(SECOND, np.int16), tone, np.zeros(SECOND // 2, np.int16)])
    assert len(streams.trim(audio)) == pytest.approx(SECOND, abs=800)
