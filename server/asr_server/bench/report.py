"""Results as lines for people and as JSON."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asr_server.bench.settings import BenchSettings
from asr_server.bench.stages import Breakdown
from asr_server.bench.trial import Progress, Trial


@dataclass(frozen=True, slots=True)
class Row:
    """A trial and what is thought of it."""

    trial: Trial
    faults: list[str]
    doubts: list[str]
    breakdown: Breakdown | None


def render_progress(progress: Progress, sessions: int) -> str:
    """Return one line about a trial under way."""
    return (
        f"{sessions} sessions: {progress.at_s:.0f} s, {progress.sessions} speak, "
        f"{progress.answered} of {progress.sent} utterances answered, "
        f"p95 {milliseconds(progress.p95_s)}"
    )


def render_row(row: Row) -> str:
    """Return one line about a trial that is over."""
    trial = row.trial
    verdict = "; ".join(row.faults) or "holds"
    doubts = "".join(f"\n    note: {doubt}" for doubt in row.doubts)
    return (
        f"{trial.sessions:5} sessions: p50 {milliseconds(trial.p50_s)}, "
        f"p95 {milliseconds(trial.p95_s)}, p99 {milliseconds(trial.p99_s)}; "
        f"{trial.account.sent} utterances, CER {trial.account.cer:.1%}: {verdict}{doubts}"
    )


def render_breakdown(found: Breakdown) -> str:
    """Return a table of where the time went."""
    lines = [f"    {'stage':10} {'batches':>8} {'items':>6} {'fill':>5} {'ms/batch':>9} "
             f"{'ms/item':>8} {'p95':>8}"]  # fmt: skip
    lines += [
        f"    {each.name:10} {each.batches:8.0f} {each.items_mean:6.1f} {each.fill_ratio:5.0%} "
        f"{1000 * each.batch_mean_s:9.2f} {_cell(each.item_mean_s)} {_cell(each.item_p95_s)}"
        for each in found.stages
    ]
    waits = ", ".join(f"{name} {milliseconds(s)}" for name, s in found.queue_wait_p95_s.items())
    lines.append(f"    queue wait p95: {waits or 'nothing waited'}")
    lines.append(
        f"    engine busy {found.engine_busy_s:.1f} s; event loop late p95 "
        f"{milliseconds(found.loop_lag_p95_s)}"
    )
    return "\n".join(lines)


def render_conclusion(rows: Sequence[Row], settings: BenchSettings, largest: int) -> str:
    """Return what it comes to, with the conditions."""
    profile = rows[-1].trial.profile
    speech = settings.speech
    conditions = (
        f"mode {settings.mode}, open loop in real time, {speech.lengths} utterances (median "
        f"{profile.median_s:.1f} s, longest {profile.longest_s:.1f} s), "
        f"{profile.silence_ratio:.0%} silence, trials of {settings.duration_s:g} s, seed "
        f"{speech.seed}"
    )
    objective = f"p95 within {1000 * settings.objective_s:g} ms"
    if settings.levels:
        good = sum(not row.faults for row in rows)
        return f"{good} of {len(rows)} trials hold ({objective}); {conditions}"
    return f"sessions within the objective ({objective}): {largest}; {conditions}"


def describe(rows: Sequence[Row], settings: BenchSettings, largest: int) -> dict[str, Any]:
    """Return everything as plain values; what lasts for ever is null."""
    found = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": settings.mode,
        "lengths": settings.speech.lengths,
        "seed": settings.speech.seed,
        "duration_s": settings.duration_s,
        "objective_p95_s": settings.objective_s,
        "max_cer": settings.max_cer,
        "searched": not settings.levels,
        "sessions_within_objective": largest,
        "trials": [
            {
                **dataclasses.asdict(row.trial),
                "holds": not row.faults,
                "faults": row.faults,
                "doubts": row.doubts,
                "breakdown": row.breakdown and dataclasses.asdict(row.breakdown),
            }
            for row in rows
        ],
    }
    plain = _plain(found)
    assert isinstance(plain, dict)
    return plain


def milliseconds(seconds: float | None) -> str:
    """Return whole milliseconds, or what there is to say instead."""
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.0f} ms" if math.isfinite(seconds) else "never"


def _cell(seconds: float | None) -> str:
    return f"{'-' if seconds is None else f'{1000 * seconds:.2f}':>8}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
