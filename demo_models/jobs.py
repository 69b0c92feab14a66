"""What to speak: which utterances a set has, before any of them is spoken."""

import random
from dataclasses import dataclass

from demo_models import grammar, speech

NO_SPEECH_RATIO = 0.06
_KINDS = (grammar.draw_mandarin, grammar.draw_english, grammar.draw_mixed)
_SHARES = (66, 21, 13)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that one utterance is made from; nobody speaks where the script is empty."""

    kind: str
    script: str
    manner: speech.Manner
    seed: int


def draw_jobs(count: int, seed: int, *, held_out: bool) -> list[Job]:
    """Return what to speak: training never gets a text, voice, speed or pitch that is held out."""
    draw = random.Random(seed)
    manners = speech.HELD_OUT if held_out else speech.TRAINED
    jobs = []
    for _ in range(count):
        kind, script = draw.choices(_KINDS, _SHARES)[0](draw, held_out=held_out)
        if not held_out and draw.random() < NO_SPEECH_RATIO:
            kind, script = "none", ""
        manner = speech.draw_manner(draw, manners)
        jobs.append(Job(kind, script, manner, draw.randrange(1 << 30)))
    return jobs
