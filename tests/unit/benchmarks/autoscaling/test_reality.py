"""A record of `make demo` beside what the simulation makes of the same load."""

import pytest

from asr_operator.simulation import batches
from benchmarks.autoscaling import reality

STEPS = [
    {"begin_s": 0.0, "end_s": 20.0, "sessions": 10.0, "finals": 9, "p95_ms": 150},
    {"begin_s": 20.0, "end_s": 60.0, "sessions": 60.0, "finals": 160, "p95_ms": 180},
]


@pytest.fixture
def record():
    row = {"limit": 1.0, "ready": 1}
    rows = [{"at_s": 5.0 * number} | row for number in range(1, 12)]
    return {"fills_one": 90.0, "rows": rows, "account": {"steps": STEPS}}


def test_the_table_has_a_line_for_each_step(record):
    lines = reality.compare(record, seeds=2).splitlines()
    assert len(lines) == 2 + len(STEPS)
    assert lines[2].startswith("| 0 to 20 s | 9, ")
    assert "| 1, 1 (1 to 1) |" in lines[2]


def test_a_rise_is_drawn_as_one(record):
    calm, rise = reality._read_steps(record)
    assert (calm.first, calm.sessions) == (10.0, 10.0)
    assert (rise.first, rise.sessions) == (10.0, 60.0)


@pytest.mark.parametrize("fills_one", [45.0, 90.0])
def test_a_server_is_as_fast_as_the_run_found_it(fills_one):
    costs = reality.scale_costs(fills_one)
    utterance_s = reality.UTTERANCE_S
    arriving = utterance_s / batches.mean_s(costs, utterance_s)
    assert arriving == pytest.approx(fills_one * utterance_s / (utterance_s + 0.9))
