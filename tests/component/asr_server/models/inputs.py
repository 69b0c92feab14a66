"""What our models and funasr's AutoModel are both given: the held-out speech, joined and cut."""

import random

import numpy as np

from asr_server.models import tokens

SIZES = [(5, 10, 5), (0, 10, 5), (8, 8, 4), (0, 8, 4)]


def join_recordings(utterances):
    """Join utterances with gaps, some with noise over all; one is longer than a VAD chunk."""
    draw = random.Random(3)
    joined = []
    for number, count in enumerate([2, 3, 4, 5, 2, 3, 4, 26]):
        parts = []
        for utterance in draw.sample(utterances, count):
            parts += [np.zeros(draw.randrange(100, 32000), np.int16), utterance.audio]
        audio = np.concatenate(parts).astype(np.float64)
        if number % 2:
            noise = np.random.default_rng(number)
            audio += noise.normal(0, draw.choice([5, 50, 200, 1000]), len(audio))
        joined.append(audio.clip(-32768, 32767).astype(np.int16))
    return joined


def choose_streams(utterances, size):
    """Return recordings for streams of a chunk size; one length ends with a step."""
    audio = [utterance.audio for utterance in utterances[: 20 if size[0] == 5 else 6]]
    return [*audio, audio[0][: size[1] * 960 * 2], audio[1][:30_500], np.zeros(30_000, np.int16)]


def cut_stream(audio, size):
    """Cut a recording as FunASR's clients do; the last piece is not empty."""
    step = size[1] * 960
    starts = range(0, len(audio), step)
    return [(audio[start : start + step], start + step >= len(audio)) for start in starts]


def write_texts(utterances):
    """Return texts to punctuate, as tokens; some are longer than what is punctuated at a time."""
    draw = random.Random(5)
    texts = [
        tokens.split("".join(u.text for u in draw.sample(utterances, count)))
        for count in (1, 2, 3, 10, 40)
    ]
    return [*texts, ("一",) * 230, ("打", "开", "TV", "ok", "now", "客", "厅", "hello"), ("ok",)]
