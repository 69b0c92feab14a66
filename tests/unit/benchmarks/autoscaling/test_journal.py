"""What was run before is not run again, unless anything changed that it follows from."""

import pytest

from benchmarks.autoscaling.journal import ROOT, SOURCES, Journal, take_fingerprint
from benchmarks.autoscaling.running import Job

JOB = Job("step", 3, (("ours", "ours", {}), ("fixed", "fixed", {"target": 4.0})))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "build" / "runs.jsonl"


def test_what_is_done_is_left_out(path):
    Journal(path, "a").add(JOB, {"ours": {"gpu_hours": 2.0}})
    again = Journal(path, "a")
    assert again.runs["step", "ours", 3] == {"gpu_hours": 2.0}
    assert [name for name, _, _ in again.leave_out_done(JOB).entries] == ["fixed"]
    other_seed = Job("step", 4, JOB.entries)
    assert again.leave_out_done(other_seed) == other_seed


def test_runs_of_other_code_do_not_count(path):
    Journal(path, "a").add(JOB, {"ours": {"gpu_hours": 2.0}})
    assert Journal(path, "b").leave_out_done(JOB) == JOB


def test_a_line_that_was_cut_off_is_run_again(path):
    Journal(path, "a").add(JOB, {"ours": {"gpu_hours": 2.0}})
    text = path.read_text()
    path.write_text(text + text[: len(text) // 2])
    assert list(Journal(path, "a").runs) == [("step", "ours", 3)]
    path.write_text(text[: len(text) // 2])
    assert not Journal(path, "a").runs


def test_every_source_counts(tmp_path):
    assert all(any(ROOT.glob(pattern)) for pattern in SOURCES)
    (tmp_path / "benchmarks/autoscaling").mkdir(parents=True)
    tuned = tmp_path / "benchmarks/autoscaling/tuned.json"
    tuned.write_text("{}")
    before = take_fingerprint(tmp_path)
    tuned.write_text("{ }")
    assert take_fingerprint(tmp_path) != before
