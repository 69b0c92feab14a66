"""What 10,000 sessions leave behind."""

from collections.abc import Sequence

import numpy as np

from asr_server.bench import corpus
from benchmarks.server.benching import anonymous_kib
from benchmarks.server.figures import Figure
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import Talk
from benchmarks.serving import Server

FEW, MANY, AT_A_TIME = 100, 10_000, 16


def measure() -> list[Figure]:
    """Return the memory of front and engine after many sessions over that after few."""
    phrase = min(corpus.load_phrases(), key=lambda phrase: phrase.duration_s)
    audio = np.frombuffer(phrase.pcm, np.int16)
    talks = [Talk(f"{number}", audio, phrase.text) for number in range(MANY)]
    with Server() as server:
        few = _run(server, talks[:FEW])
        many = _run(server, talks[FEW:])
    before, after = sum(few.values()), sum(many.values())
    detail = (
        f"each a phrase of {phrase.duration_s:.1f} s, offline: front {_mib(few['front'])} to "
        f"{_mib(many['front'])}, engine {_mib(few['engine'])} to {_mib(many['engine'])}"
    )
    raw = {"kib": {"few": few, "many": many}}
    return [Figure("memory_after_10000_ratio", after / before, "x", detail, raw)]


def _run(server: Server, talks: Sequence[Talk]) -> dict[str, int]:
    sent = send_talks(server.url, talks, AT_A_TIME)
    unheard = sum(not text for text in sent.heard.values())
    if unheard:
        raise RuntimeError(f"{unheard} of {len(talks)} sessions had no words")
    return {"front": anonymous_kib(server.pid), "engine": anonymous_kib(server.engine_pid)}


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"
