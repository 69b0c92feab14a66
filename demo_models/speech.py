"""Speech of espeak-ng, and what happens to speech on its way to a server: float32 at 16 kHz.

Voices are variants of espeak-ng: each one reads Mandarin and English. Those of the tests, their
speeds and their pitches are never trained on.
"""

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from demo_models import grammar

RATE_HZ = 16000
TELEPHONE_HZ = 8000
Samples = NDArray[np.float32]

_ESPEAK_HZ = 22050
_WAV_HEADER_BYTES = 44
_MANDARIN, _ENGLISH = "cmn-latn-pinyin", "en-us"
_AUDIBLE = 0.01


@dataclass(frozen=True, slots=True)
class Manners:
    """The voices, words per minute and pitches of espeak-ng that utterances are drawn from."""

    voices: tuple[str, ...]
    speeds: tuple[int, ...]
    pitches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manner:
    """How one utterance is spoken."""

    voice: str
    speed: int
    pitch: int


TRAINED = Manners(
    voices=(
        *("m1", "m2", "m4", "m5", "m7", "m8", "f1", "f3", "f4", "adam", "Alex", "Andrea", "Andy"),
        *("Annie", "antonio", "aunty", "belinda", "benjamin", "caleb", "david", "Denis", "Diogo"),
        *("ed", "edward", "Gene", "Henrique", "Hugo", "jacky", "Lee", "linda", "marcelo", "Marco"),
        *("mario", "max", "michel", "miguel", "mike", "pablo", "paul", "pedro", "quincy", "rob"),
        *("robert", "shelby", "steph", "steph3", "travis", "victor", "zac", "anika"),
    ),
    speeds=(120, 130, 140, 160, 170, 190, 200),
    pitches=(20, 30, 40, 60, 70, 80),
)
HELD_OUT = Manners(
    voices=("m3", "m6", "f2", "f5", "Alicia", "john", "michael", "steph2"),
    speeds=(150, 180),
    pitches=(35, 50, 65),
)


def draw_manner(draw: random.Random, manners: Manners) -> Manner:
    """Return a voice with a speed and a pitch."""
    return Manner(
        draw.choice(manners.voices), draw.choice(manners.speeds), draw.choice(manners.pitches)
    )


def speak(phrase: str, manner: Manner) -> Samples:
    """Return espeak-ng's reading of a phrase, without silence at its ends.

    Each run of one language is read by the same variant of that language's voice.
    """
    return np.concatenate([_read(run.strip(), manner) for run in grammar.split_runs(phrase)])


def synthesise(script: str, manner: Manner, seed: int) -> Samples:
    """Return silence, the phrases of a script with pauses between them, and silence."""
    draw = random.Random(seed)

    def silence(shortest_s: float, longest_s: float) -> Samples:
        return np.zeros(int(draw.uniform(shortest_s, longest_s) * RATE_HZ), np.float32)

    def edge() -> Samples:
        return silence(0.1, 0.4) if draw.random() < 0.75 else silence(0.4, 1.2)

    parts = [edge()]
    for position, phrase in enumerate(script.split(grammar.PAUSE)):
        parts += [silence(0.2, 1.2)] * (position > 0) + [speak(phrase, manner)]
    return np.concatenate([*parts, edge()])


def limit_band(samples: Samples) -> Samples:
    """Return speech as it comes from a telephone: nothing above 4 kHz."""
    narrow = soxr.resample(samples, RATE_HZ, TELEPHONE_HZ)
    wide = soxr.resample(narrow, TELEPHONE_HZ, RATE_HZ)
    return _fit(wide, len(samples))


def make_noise(draw: random.Random, samples: int) -> Samples:
    """Return noise of unit power: white, low-passed, or a mains supply's hum with some white."""
    noise = np.random.default_rng(draw.randrange(1 << 30)).standard_normal(samples)
    colour = draw.random()
    if colour < 0.5:
        width = draw.choice([2, 4, 8, 16])
        noise = np.convolve(noise, np.ones(width), "same")[:samples]
    elif colour < 0.65:
        noise = 0.3 * noise + make_tone(50 * draw.choice([1, 2, 3, 4]), samples)
    even: Samples = (noise / np.sqrt(np.square(noise).mean() + 1e-12)).astype(np.float32)
    return even


def make_tone(frequency_hz: float, samples: int) -> Samples:
    """Return a sine."""
    times_s = np.arange(samples) / RATE_HZ
    return np.sin(2 * np.pi * frequency_hz * times_s).astype(np.float32)


def draw_tones(draw: random.Random, samples: int) -> Samples:
    """Return what lines and devices sound: one tone or two, steady or beeping, full scale 1."""
    tones = [make_tone(draw.uniform(200, 2000), samples) for _ in range(draw.randint(1, 2))]
    signal = np.mean(tones, axis=0)
    if draw.random() < 0.4:
        signal[make_tone(draw.uniform(0.5, 4), samples) > draw.uniform(-0.5, 0.7)] = 0
    tone: Samples = signal.astype(np.float32)
    return tone


def draw_no_speech(draw: random.Random, samples: int) -> Samples:
    """Return a recording in which nobody speaks: digital silence, noise or tones at any level."""
    sources: list[Callable[[], Samples]] = [
        lambda: np.zeros(samples, np.float32),
        lambda: make_noise(draw, samples) * 10 ** draw.uniform(-3.5, -1),
        lambda: draw_tones(draw, samples) * 10 ** draw.uniform(-2, -0.1),
    ]
    chosen = draw.choices(sources, [25, 45, 30])[0]()
    return np.clip(chosen, -1, 1).astype(np.float32)


def add_noise(draw: random.Random, samples: Samples, snr_db: float) -> Samples:
    """Return speech with noise over all of it, at a ratio to the mean power of the recording."""
    power = float(np.square(samples).mean())
    noise = make_noise(draw, len(samples)) * np.sqrt(power) * 10 ** (-snr_db / 20)
    bounded: Samples = np.clip(samples + noise, -1, 1).astype(np.float32)
    return bounded


def disturb(draw: random.Random, samples: Samples) -> Samples:
    """Return a recording at another level, often with noise, sometimes from a telephone."""
    loudest = float(np.abs(samples).max(initial=0))
    if loudest < 2 * _AUDIBLE:
        return samples
    changed = samples / loudest * 10 ** draw.uniform(-1.2, -0.05)
    if draw.random() < 0.7:
        changed = add_noise(draw, changed, draw.uniform(8, 40))
    if draw.random() < 0.3:
        changed = limit_band(changed)
    bounded: Samples = np.clip(changed, -1, 1).astype(np.float32)
    return bounded


def _read(words: str, manner: Manner) -> Samples:
    language = _ENGLISH if words.isascii() else _MANDARIN
    command = ["espeak-ng", "-v", f"{language}+{manner.voice}"]
    command += ["-s", str(manner.speed), "-p", str(manner.pitch), "--stdout", words]
    done = subprocess.run(command, capture_output=True, check=True)
    end = len(done.stdout) // 2 * 2
    samples = np.frombuffer(done.stdout[_WAV_HEADER_BYTES:end], np.int16)
    spoken: Samples = soxr.resample(samples.astype(np.float32) / 32768, _ESPEAK_HZ, RATE_HZ)
    loud = np.flatnonzero(np.abs(spoken) > _AUDIBLE)
    return spoken[loud[0] : loud[-1] + 1]


def _fit(samples: Samples, length: int) -> Samples:
    return np.pad(samples, (0, max(0, length - len(samples))))[:length]
