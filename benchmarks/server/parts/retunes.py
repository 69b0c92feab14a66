"""A hundred new batch sizes while people speak."""

import statistics
import time

from benchmarks.server.benching import bench, count_harm
from benchmarks.server.figures import Figure
from benchmarks.serving import Server

RETUNES, SESSIONS, WITHIN_S = 100, 30, 10.0
SIZES = (1, 8, 32, 4)


def measure() -> list[Figure]:
    """Return how many were in force, and what they did to the sessions."""
    with Server("--max-sessions=1000") as server:
        flags = (f"--sessions={SESSIONS}", "--duration=55", "--max-cer=1")
        with bench(server.url, *flags) as load:
            took_s = [_retune(server, number) for number in range(1, RETUNES + 1)]
            if load.is_over:
                raise RuntimeError("the sessions ended before the retunes")
            trial = load.finish()["trials"][0]
    in_force = [each for each in took_s if each is not None]
    detail = (
        f"each read back from asr_batch_size_limit, median {statistics.median(in_force):.2f} s "
        f"after the file was written (it is looked at twice a second), {SESSIONS} live sessions"
    )
    harm = count_harm(trial)
    said = f"{trial['account']['sent']} utterances of {SESSIONS} sessions while retuned"
    return [
        Figure("retunes_in_force", len(in_force), "", detail, {"took_s": took_s}),
        Figure("retune_sessions_harmed", harm, "", said, {"trial": trial}),
    ]


def _retune(server: Server, generation: int) -> float | None:
    """Write a new batch size; return after how long it was in force, None if it was not."""
    size = SIZES[generation % len(SIZES)]
    server.configure(batch_size=size)
    began = time.monotonic()
    while time.monotonic() - began < WITHIN_S:
        if server.metric("asr_config_generation") == generation:
            return (
                time.monotonic() - began if server.metric("asr_batch_size_limit") == size else None
            )
        time.sleep(0.02)
    return None
