"""Files, all stages, demo models: our server over WebSocket beside FunASR's own programs."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from asr_server.models.loading import demo_directory
from benchmarks.server import peers
from benchmarks.server.figures import Figure
from benchmarks.server.sending import Sent, send_talks
from benchmarks.server.talks import Talk, find_cer, make_talks
from benchmarks.serving import Server

TALKS, TALK_S, AT_A_TIME, REPEATS = 20, 60.0, 20, 3
HALF = 10  # for AutoModel, which takes one at a time
FEW = 5  # talks for the slow peers
MAX_CER = 0.08


def measure() -> list[Figure]:
    """Return what the server does in a second, and its ratios to the peers."""
    talks = make_talks(TALKS, TALK_S)
    ours = _measure_ours(talks)
    rates = {"AutoModel": _measure_automodel(talks), "funasr-server": _measure_funasr_server(talks)}
    best = max(rates, key=lambda name: rates[name])
    raw = {"audio_s_per_s": {"asr-server": ours, **rates}, "audio_s": _audio_s(talks)}
    said = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    how = f"{TALKS} talks of a minute, {AT_A_TIME} at a time, median of {REPEATS}"
    return [
        Figure("files_audio_s_per_s", ours, "audio s/s", how, raw),
        Figure("files_ratio_demo", ours / rates[best], "x", f"{ours:.0f} audio s/s; {said}", raw),
        _measure_stock(talks[:FEW], ours),
    ]


def _measure_ours(talks: Sequence[Talk]) -> float:
    with Server() as server:
        send_talks(server.url, talks, AT_A_TIME)
        return _take_median(talks, REPEATS, lambda: send_talks(server.url, talks, AT_A_TIME))


def _measure_automodel(talks: Sequence[Talk]) -> float:
    talks = talks[:HALF]
    found: dict[str, Any] = peers.run_automodel(demo_directory(), talks)
    _check(talks, found["heard"])
    return _audio_s(talks) / statistics.median(found["took_s"])


def _measure_funasr_server(talks: Sequence[Talk]) -> float:
    with peers.funasr_server() as url:
        peers.post_talks(url, talks[:1], 1)
        return _take_median(talks[:FEW], 2, lambda: peers.post_talks(url, talks[:FEW], AT_A_TIME))


def _measure_stock(talks: Sequence[Talk], ours: float) -> Figure:
    script = peers.find_stock_script()
    if script is None:
        return Figure("files_ratio_stock", None, "x", peers.NO_SOURCE)
    with peers.stock_server(script) as url:
        send_talks(url, talks[:1], 1)
        rate = _take_median(talks, 1, lambda: send_talks(url, talks, AT_A_TIME), max_cer=1.0)
    how = f"funasr_wss_server.py: {rate:.1f} audio s/s, {len(talks)} talks at a time"
    return Figure("files_ratio_stock", ours / rate, "x", how, {"stock": rate, "ours": ours})


def _take_median(
    talks: Sequence[Talk], repeats: int, send: Callable[[], Sent], max_cer: float = MAX_CER
) -> float:
    """Return audio seconds per second, and make sure that the words are right."""
    sent = [send() for _ in range(repeats)]
    for each in sent:
        _check(talks, each.heard, max_cer)
    return _audio_s(talks) / statistics.median(each.took_s for each in sent)


def _check(talks: Sequence[Talk], heard: dict[str, str], max_cer: float = MAX_CER) -> None:
    cer = find_cer(list(talks), heard)
    if cer > max_cer:
        raise RuntimeError(f"a CER of {cer:.1%}: what was measured is no recognition")


def _audio_s(talks: Sequence[Talk]) -> float:
    return sum(talk.duration_s for talk in talks)
