"""Files, all stages, demo models: our server over WebSocket beside FunASR's own programs."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr_server.models.loading import demo_directory
from benchmarks.server import peers
from benchmarks.server.figures import Figure
from benchmarks.server.sending import Sent, send_talks
from benchmarks.server.talks import Talk, find_cer, make_talks
from benchmarks.serving import Server

TALKS, TALK_S, AT_A_TIME, REPEATS = 20, 60.0, 20, 2
HALF = 10  # for AutoModel, which takes one at a time
FEW = 5  # talks for the slow peers
MAX_CER = 0.08
STOCK = "funasr_wss_server.py"


@dataclass(frozen=True, slots=True)
class _Beside:
    """A peer's audio seconds per second, and ours just before and after it."""

    theirs: float
    ours: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def measure() -> list[Figure]:
    """Return what the server does in a second, and its ratios to the peers."""
    talks = make_talks(TALKS, TALK_S)
    with Server() as server:
        send_talks(server.url, talks, AT_A_TIME)

        def ours() -> float:
            return _take_median(talks, REPEATS, lambda: send_talks(server.url, talks, AT_A_TIME))

        rates = [ours()]
        found = {}
        for name, ask in _choose_peers(talks).items():
            theirs = ask()
            rates.append(ours())
            found[name] = _Beside(theirs, (rates[-2] + rates[-1]) / 2)
    return _describe(rates, found)


def _choose_peers(talks: Sequence[Talk]) -> dict[str, Callable[[], float]]:
    chosen: dict[str, Callable[[], float]] = {
        "AutoModel": lambda: _measure_automodel(talks[:HALF]),
        "funasr-server": lambda: _measure_funasr_server(talks[:FEW]),
    }
    script = peers.find_stock_script()
    if script is not None:
        chosen[STOCK] = lambda: _measure_stock(script, talks[:FEW])
    return chosen


def _describe(rates: Sequence[float], found: dict[str, _Beside]) -> list[Figure]:
    rate = statistics.median(rates)
    best = max(found, key=lambda name: found[name].theirs)
    told = [f"{name} {each.theirs:.0f} (ours beside it {each.ours:.0f})"
            for name, each in found.items()]  # fmt: skip
    raw = {name: dataclasses.asdict(each) for name, each in found.items()} | {"ours": list(rates)}
    how = f"{TALKS} talks of a minute at a time, median of {len(rates)} times {REPEATS}"
    stock = found.get(STOCK)
    return [
        Figure("files_audio_s_per_s", rate, "audio s/s", how, raw),
        Figure("files_ratio_demo", found[best].ratio, "x", f"best: {best}; {', '.join(told)}", raw),
        Figure("files_ratio_stock", stock.ratio, "x", f"{stock.theirs:.1f} audio s/s", raw)
        if stock
        else Figure("files_ratio_stock", None, "x", peers.NO_SOURCE),
    ]


def _measure_automodel(talks: Sequence[Talk]) -> float:
    found: dict[str, Any] = peers.run_automodel(demo_directory(), talks)
    _check(talks, found["heard"])
    took_s: list[float] = found["took_s"]
    return _audio_s(talks) / statistics.median(took_s)


def _measure_funasr_server(talks: Sequence[Talk]) -> float:
    with peers.funasr_server() as url:
        peers.post_talks(url, talks[:1], 1)
        return _take_median(talks, 2, lambda: peers.post_talks(url, talks, AT_A_TIME))


def _measure_stock(script: Path, talks: Sequence[Talk]) -> float:
    with peers.stock_server(script) as url:
        send_talks(url, talks[:1], 1)
        return _take_median(talks, 1, lambda: send_talks(url, talks, AT_A_TIME), max_cer=1.0)


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
