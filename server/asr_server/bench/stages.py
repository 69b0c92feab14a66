"""Where the time of a trial went, from the server's metrics before and after it. Pure."""

from dataclasses import dataclass

from asr_server.bench.exposition import Page, spread

STAGES = ("vad", "asr", "asr_online", "punc")
CLASSES = ("final", "partial", "file")


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of batches."""

    name: str
    batches: float
    items_mean: float
    fill_ratio: float
    batch_mean_s: float
    item_mean_s: float | None
    item_p95_s: float | None
    """How long an item spent in the stage, waiting included; not told of pieces of live audio."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What the server did during a trial."""

    stages: tuple[Stage, ...]
    queue_wait_p95_s: dict[str, float]
    final_latency_p95_s: dict[str, float]
    loop_lag_p95_s: float
    engine_busy_s: float


def break_down(grown: Page) -> Breakdown:
    """Read the stages off what the metrics grew by."""
    waits = {name: spread(grown, "asr_queue_wait_seconds", **{"class": name}) for name in CLASSES}
    finals = {
        mode: spread(grown, "asr_final_latency_seconds", mode=mode)
        for mode in ("offline", "online", "2pass")
    }
    lag = spread(grown, "asr_event_loop_lag_seconds")
    return Breakdown(
        stages=tuple(stage for name in STAGES if (stage := _read_stage(grown, name))),
        queue_wait_p95_s={name: found.p95 for name, found in waits.items() if found},
        final_latency_p95_s={mode: found.p95 for mode, found in finals.items() if found},
        loop_lag_p95_s=lag.p95 if lag else 0.0,
        engine_busy_s=grown.get(("asr_engine_busy_seconds_total", frozenset()), 0.0),
    )


def _read_stage(grown: Page, name: str) -> Stage | None:
    sizes = spread(grown, "asr_batch_size", stage=name)
    took = spread(grown, "asr_batch_seconds", stage=name)
    if sizes is None or took is None:
        return None
    fill = spread(grown, "asr_batch_fill_ratio", stage=name)
    items = spread(grown, "asr_stage_seconds", stage=name)
    return Stage(
        name=name,
        batches=sizes.count,
        items_mean=sizes.mean,
        fill_ratio=fill.mean if fill else 0.0,
        batch_mean_s=took.mean,
        item_mean_s=items.mean if items else None,
        item_p95_s=items.p95 if items else None,
    )
