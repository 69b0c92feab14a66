"""How late the event loop of the front is while the engine has more than it can do."""

import threading

from asr_server.bench import exposition
from benchmarks.server.benching import Grown, bench
from benchmarks.server.figures import Figure
from benchmarks.server.sending import send_talks
from benchmarks.server.talks import make_talks
from benchmarks.serving import Server

TALKS, TALK_S, ROUNDS, SESSIONS = 30, 60.0, 12, 10


def measure() -> list[Figure]:
    """Return the 99th percentile of the lag, with files without end and some live sessions."""
    talks = make_talks(TALKS, TALK_S)
    with Server() as server:
        send_talks(server.url, talks[:2], 2)
        with bench(server.url, f"--sessions={SESSIONS}", "--duration=120", "--max-cer=1"):
            grown = Grown(server)
            pushing = threading.Thread(
                target=lambda: [send_talks(server.url, talks, TALKS) for _ in range(ROUNDS)],
                daemon=True,
            )
            pushing.start()
            pushing.join()
            found = grown.read()
    lag = exposition.spread(found, "asr_event_loop_lag_seconds")
    busy_s = found[("asr_engine_busy_seconds_total", frozenset())]
    if lag is None:
        raise RuntimeError("the server told no lag")
    detail = (
        f"{ROUNDS} times {TALKS} talks of a minute at once beside {SESSIONS} live sessions: "
        f"engine busy {busy_s:.0f} s; "
        f"p50 {1000 * lag.quantile(0.5):.1f} ms, {lag.count:.0f} samples"
    )
    return [Figure("loop_lag_p99_ms", 1000 * lag.quantile(0.99), "ms", detail)]
