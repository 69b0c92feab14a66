"""The parts of `make gpu` on a CPU, and how it ends where there is no GPU."""

import json
import types

import pytest
import torch

from benchmarks.gpu import timeline
from benchmarks.gpu.__main__ import MISSING, NO_DEVICE, OK, SOME_FAILED, main


@pytest.fixture
def one_thread():
    """Two threads that share a busy core wait for each other: a minute in place of five seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("part", ["correctness", "throughput", "peer", "sessions", "timeline"])
def test_a_part_measures_something_on_a_cpu(part, tmp_path):
    written = tmp_path / "gpu.json"
    assert main([part, "--device=cpu", "--small", f"--json={written}"]) == OK
    found = json.loads(written.read_text())
    assert found["machine"]["device"] == "cpu"
    measured = found["parts"][part]
    assert measured["ok"]
    match part:
        case "correctness":
            assert measured["float32"] == {
                "cer": 0,
                "batch_equals_single": True,
                "equals_cpu": True,
                "spans_equal_cpu": True,
            }
        case "throughput":
            assert measured["large_float32"]["server"]["audio_s_per_s"] > 1
            assert 0.3 < measured["large_float32"]["server"]["useful_ratio"] <= 1
            assert measured["large_float32"]["recognizer"]["audio_s_per_s"] > 0.1
            assert 0.3 < measured["large_float32"]["recognizer"]["useful_ratio"] <= 1
        case "peer":
            assert measured["large_float32"]["audio_s_per_s"] > 0.1
        case "sessions":
            assert measured["demo_float32"]["sessions_within_500_ms"] == 2
            assert measured["large_float32"]["trials"][0]["account"]["lost"] == 0
        case "timeline":
            assert measured["demo_float32"]["asr_few_short"]["batch_ms"] > 0
            assert measured["large_float32"]["asr_online_few_short"]["batch_ms"] > 0


def event(name, start=0, end=0, *, on_device=False):
    return types.SimpleNamespace(
        name=name,
        device_type=types.SimpleNamespace(name="CUDA" if on_device else "CPU"),
        time_range=types.SimpleNamespace(start=start, end=end),
    )


def test_a_trace_tells_how_long_the_device_computes_and_what_it_is_waited_for():
    events = [
        event("cudaMemcpyAsync"),
        event("Memcpy HtoD (Pageable -> Device)", 0, 500, on_device=True),
        event("cudaStreamSynchronize"),
        event("cudaLaunchKernel"),
        event("gemm", 1000, 3000, on_device=True),
        event("cudaLaunchKernel"),
        event("softmax", 2000, 4000, on_device=True),
        event("Memcpy HtoD (Pinned -> Device)", 0, 4, on_device=True),
        event("Memcpy DtoH (Device -> Pageable)", 4000, 4100, on_device=True),
        event("cudaDeviceSynchronize"),
        event("cudaDeviceSynchronize"),
    ]
    assert timeline.summarize(events, took_ms=6) == {
        "device_ms": 3, "share_computing": 0.5, "launches": 2, "waits": 1,
        "pageable_in": 1, "pinned_in": 1, "out": 1,
        "longest_kernels_ms": {"gemm": 2, "softmax": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "together"),
    [([], 0), ([(0, 2), (1, 3), (5, 6)], 4), ([(0, 9), (1, 2)], 9), ([(3, 4), (0, 1)], 2)],
)
def test_spans_cover_what_overlaps_once(spans, together):
    assert timeline.covered(spans) == together


def test_a_part_that_fails_leaves_what_it_found_and_the_next_one_runs(tmp_path, monkeypatch):
    written = tmp_path / "gpu.json"

    def fail(device, *, small):
        yield "n", 1
        assert json.loads(written.read_text())["parts"]["correctness"]["n"] == 1
        raise RuntimeError("no")

    monkeypatch.setattr("benchmarks.gpu.correctness.measure", fail)
    monkeypatch.setattr("benchmarks.gpu.sessions.measure", lambda device, *, small: [("n", 1)])
    arguments = ["correctness", "sessions", "--device=cpu", f"--json={written}"]
    assert main(arguments) == SOME_FAILED
    parts = json.loads(written.read_text())["parts"]
    assert parts["correctness"]["error"] == "RuntimeError: no"
    assert parts["correctness"]["n"] == 1
    assert not parts["correctness"]["ok"]
    assert parts["sessions"]["ok"]


def test_parts_of_the_same_machine_stay_and_those_of_another_go(tmp_path, monkeypatch):
    written = tmp_path / "gpu.json"
    monkeypatch.setattr("benchmarks.gpu.correctness.measure", lambda device, *, small: [("n", 1)])
    monkeypatch.setattr("benchmarks.gpu.sessions.measure", lambda device, *, small: [("n", 2)])
    arguments = ["--device=cpu", f"--json={written}"]
    for part in ("correctness", "sessions"):
        assert main([part, *arguments]) == OK
    assert [part["n"] for part in json.loads(written.read_text())["parts"].values()] == [1, 2]
    assert main(["sessions", *arguments, "--small"]) == OK
    assert list(json.loads(written.read_text())["parts"]) == ["sessions"]


def test_without_a_gpu_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([f"--json={tmp_path / 'gpu.json'}"]) == NO_DEVICE
    assert capsys.readouterr().err == "no CUDA device: torch finds none here\n"


def test_what_is_missing_is_told(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.__main__.NEEDED", ("torch", "no_such_module"))
    assert main([]) == MISSING
    assert "missing: no_such_module. On a machine with a network" in capsys.readouterr().err
