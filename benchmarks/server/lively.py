"""Audio without pauses, of lengths from a lognormal distribution: one segment of the VAD each."""

import math
import random
from collections.abc import Iterator

import numpy as np

from asr_server.bench.corpus import load_phrases
from asr_server.bench.speech import LOGNORMAL_SIGMA, LONGEST_S, RATE_HZ, SHORTEST_S
from benchmarks.server.talks import Talk

MEDIAN_S = 3.9


def make_segments(count: int, seed: int = 1) -> Iterator[Talk]:
    """Yield speech without pauses. Its words make no sense where recordings are cut."""
    endless = np.concatenate([np.frombuffer(each.pcm, np.int16) for each in load_phrases()])
    draw = random.Random(seed)
    for number in range(count):
        drawn_s = draw.lognormvariate(math.log(MEDIAN_S), LOGNORMAL_SIGMA)
        samples = int(RATE_HZ * min(LONGEST_S, max(SHORTEST_S, drawn_s)))
        start = draw.randrange(len(endless) - samples)
        yield Talk(f"segment-{number:04d}", endless[start : start + samples], "")
