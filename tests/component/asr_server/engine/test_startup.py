import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from asr_server.engine import startup, torch_device
from asr_server.link import messages
from asr_server.models import loading

CHOICE = startup.ModelChoice(model="demo", device="cpu", dtype="float32", threads=1)
LIMITS = messages.BatchLimits(batch_size=4, batch_audio_s=8.0, max_wait_ms=5.0)


def test_the_demo_models_are_loaded_with_the_threads_asked_for():
    models, _ = startup.start(CHOICE, LIMITS)
    assert (models.name, models.device, models.dtype) == ("demo", "cpu", "float32")
    assert torch.get_num_threads() == 1


def test_a_folder_is_loaded_by_its_path():
    models, _ = startup.start(replace(CHOICE, model=str(loading.demo_directory())), LIMITS)
    assert models.punctuation is not None


WRONG = {
    "a folder that is absent": ({"model": "/absent"}, "/absent is not a directory; give one"),
    "an unknown dtype": ({"dtype": "int3"}, "unknown dtype int3; use one of float32"),
    "an unknown device": ({"device": "abacus"}, "unknown device abacus; use cpu or cuda"),
}


@pytest.mark.parametrize(("change", "reason"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_loaded_is_refused_with_what_to_do(change, reason):
    with pytest.raises(startup.StartError, match=reason):
        startup.start(replace(CHOICE, **change), LIMITS)


def raising(error):
    def load_models(folder: Path, *, device, dtype):
        raise error

    return load_models


FAILURES = {
    "too little memory": (
        torch.OutOfMemoryError("CUDA out of memory"),
        "not enough memory for demo with batches of 4 items and 8 s: allow less",
    ),
    "anything else": (OSError("disk on fire"), "demo cannot be used on cpu: disk on fire"),
}


@pytest.mark.parametrize(("error", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_while_loading_is_an_answer(monkeypatch, error, reason):
    monkeypatch.setattr(loading, "load_models", raising(error))
    with pytest.raises(startup.StartError, match=reason):
        startup.start(CHOICE, LIMITS)


def test_an_installation_without_torch_is_told_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "asr_server.engine.torch_device")
    monkeypatch.delattr("asr_server.engine.torch_device")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(startup.StartError, match=r"install .*asr-server\[engine\]"):
        startup.start(CHOICE, LIMITS)


def allocate_far_too_much():
    torch.empty(1 << 60)


def index_out_of_range():
    torch.zeros(1)[torch.tensor([5])]


@pytest.mark.parametrize(
    ("fail", "out_of_memory"), [(allocate_far_too_much, True), (index_out_of_range, False)]
)
def test_the_device_knows_when_it_is_out_of_memory(fail, out_of_memory):
    device = torch_device.TorchDevice("cpu", 1)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - torch decides which
        fail()
    assert device.is_out_of_memory(caught.value) is out_of_memory
    assert not device.is_lost(caught.value)


def test_an_error_of_the_accelerator_loses_the_device():
    device = torch_device.TorchDevice("cuda", 1)
    assert device.is_lost(torch.AcceleratorError("an illegal memory access was encountered"))
    assert not device.is_lost(torch.OutOfMemoryError("CUDA out of memory"))


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(h)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    ],
)
def test_libraries_that_torchs_cache_leaves_no_memory_may_find_some(error):
    """They ask the driver, and so does a thread of its own for its first batch."""
    device = torch_device.TorchDevice("cuda", 1)
    assert device.is_out_of_memory(error)
    assert not device.is_lost(error)


@pytest.mark.parametrize("answers", [True, False])
def test_an_error_of_a_library_loses_the_device_where_that_does_not_answer(monkeypatch, answers):
    """cuBLAS has words of its own for a context that is gone, and no kind of its own."""

    def synchronize():
        if not answers:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    error = RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`")
    assert torch_device.TorchDevice("cuda", 1).is_lost(error) is not answers
    assert not torch_device.TorchDevice("cuda", 1).is_lost(ArithmeticError("NaN"))
    assert not torch_device.TorchDevice("cpu", 1).is_lost(error)


@pytest.mark.parametrize(
    ("threads", "workers", "each"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2)]
)
def test_workers_leave_no_cpu_idle(threads, workers, each):
    before = torch.get_num_threads()
    try:
        assert torch_device.TorchDevice("cpu", threads).workers == workers
        assert torch.get_num_threads() == each
    finally:
        torch.set_num_threads(before)


def test_releasing_memory_is_harmless_on_a_cpu():
    torch_device.TorchDevice("cpu", 1).release_memory()
