"""Files that cannot be computed, in batches with everybody else's: they fail alone.

What is poisonous is a real input of a real computation: audio so loud that the recogniser's
float16 comes to infinity (`loud_model`).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from asr_server.bench import exposition
from benchmarks.server import loud_model
from benchmarks.server.benching import Grown
from benchmarks.server.crowd import crowd
from benchmarks.server.figures import Figure
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

SESSIONS, DURATION_S = 10, 25
TALKS, TALK_S, POISONOUS = 10, 8.0, 20
FLAGS = ("--max-sessions=1000", "--shed-late-ms=0")  # float16 is slow on a CPU


def measure() -> list[Figure]:
    """Send poisonous files, two at a time, beside live sessions and files that are not."""
    talks = make_talks(TALKS, TALK_S)
    loud = [
        replace(talk, audio=loud_model.make_too_loud(talk.audio), name=f"loud-{talk.name}")
        for talk in make_talks(POISONOUS, TALK_S, seed=2)
    ]
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "loud")
        loud_model.write(models)
        with Server(f"--model={models}", "--dtype=float16", *FLAGS) as server:
            grown = Grown(server)
            flow = crowd(server.url, talks, sessions=SESSIONS, duration_s=DURATION_S)
            with flow as under_way:
                sent = send_talks(server.url, loud, 2, to_the_end=True)
                account = under_way.finish()
            batches = exposition.spread(grown.read(), "asr_batch_size", stage="asr")
            restarts = server.metric("asr_engine_restarts_total")
    failed = sum(name in sent.errors and count == 1 for name, count in sent.answers.items())
    told = sorted(set(sent.errors.values()))
    size = batches.mean if batches else 0.0
    detail = (
        f"each answered once, with {' / '.join(told)!r}; batches of {size:.1f} on average, "
        f"{restarts:g} restarts"
    )
    return [
        Figure("poison_alone", failed, "", detail, {"errors": sent.errors}),
        Figure("poison_finals_harmed", account.harmed, "", account.said, {"trial": account.trial}),
    ]
