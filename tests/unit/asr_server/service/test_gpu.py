"""The gauges of the GPU: absent until one is read, NaN while it cannot be; no end of a server."""

import asyncio
import math
import subprocess
import sys

import pynvml
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from asr_server.service import gpu
from asr_server.service.gpu import GpuError, Reading

pytestmark = pytest.mark.looptime


class FakeGpu:
    """Says what it is told to, one after the other, and fails where that is an error."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.opened = 0

    def open(self):
        self.opened += 1
        if not self.answers:
            raise GpuError("NVML Shared Library Not Found")
        return self

    def read(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def watch(monkeypatch):
    """Watch a GPU for some seconds; return what is exported then."""

    async def call(function):
        return function()

    monkeypatch.setattr(asyncio, "to_thread", call)
    watching = []
    registry = CollectorRegistry()

    async def watch(fake, seconds):
        if not watching:
            watching.append(asyncio.create_task(gpu.watch_gpu(registry, fake.open)))
        await asyncio.sleep(seconds)
        assert not watching[0].done()
        return registry

    yield watch
    for task in watching:
        task.cancel()


def values(registry):
    names = ("asr_gpu_utilization_ratio", "asr_gpu_memory_used_bytes")
    return tuple(registry.get_sample_value(name) for name in names)


async def test_without_a_gpu_there_are_no_series_and_the_server_goes_on(watch):
    fake = FakeGpu()
    registry = await watch(fake, 150)
    assert b"asr_gpu" not in generate_latest(registry)
    assert fake.opened == 3


async def test_utilization_is_a_mean_over_some_seconds_and_memory_is_as_it_is(watch):
    fake = FakeGpu(Reading(0.0, 5.0), *[Reading(0.5, 7.0)] * 3, Reading(1.0, 9.0))
    assert values(await watch(fake, 3.5)) == (0.375, 7.0)
    assert values(await watch(fake, 30)) == (1.0, 9.0)


async def test_what_the_gpu_does_not_tell_is_nan(watch):
    utilization, memory = values(await watch(FakeGpu(Reading(math.nan, 5.0)), 5))
    assert math.isnan(utilization)
    assert memory == 5.0


@pytest.mark.parametrize("kind", [GpuError, OSError, UnicodeError, AttributeError])
async def test_a_gpu_that_is_lost_is_nan_until_it_is_back(watch, caplog, kind):
    caplog.set_level("INFO")
    fake = FakeGpu(Reading(0.5, 7.0), kind("GPU is lost"), kind("GPU is lost"), Reading(0.25, 8.0))
    registry = await watch(fake, 30)
    assert all(math.isnan(value) for value in values(registry))
    await watch(fake, 100)
    assert values(registry) == (0.25, 8.0)
    assert [record.message for record in caplog.records].count(
        "the use of the GPU is not known: GPU is lost"
    ) == 1


class FakeLibrary:
    """NVML as its Python binding has it."""

    def __init__(self, monkeypatch, **fails):
        self.fails = fails
        for name in (
            "nvmlInit",
            "nvmlDeviceGetHandleByIndex",
            "nvmlDeviceGetUtilizationRates",
            "nvmlDeviceGetMemoryInfo",
        ):
            monkeypatch.setattr(pynvml, name, self.answer(name))

    def answer(self, name):
        def call(*_):
            if name in self.fails:
                raise pynvml.NVMLError(self.fails[name])
            return self

        return call

    gpu = 42
    used = 1_000_000


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("nvmlInit", pynvml.NVML_ERROR_LIBRARY_NOT_FOUND),
        ("nvmlInit", pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
        ("nvmlDeviceGetHandleByIndex", pynvml.NVML_ERROR_INVALID_ARGUMENT),
        ("nvmlDeviceGetMemoryInfo", pynvml.NVML_ERROR_GPU_IS_LOST),
        ("nvmlDeviceGetUtilizationRates", pynvml.NVML_ERROR_UNKNOWN),
    ],
)
def test_every_failure_of_nvml_is_one_error(monkeypatch, function, code):
    FakeLibrary(monkeypatch, **{function: code})
    with pytest.raises(GpuError, match=r"\w"):
        gpu.open_nvml().read()


def test_nvml_tells_percent_and_bytes(monkeypatch):
    FakeLibrary(monkeypatch)
    assert gpu.open_nvml().read() == Reading(0.42, 1_000_000.0)


def test_a_slice_of_a_gpu_has_memory_and_no_utilization(monkeypatch):
    FakeLibrary(monkeypatch, nvmlDeviceGetUtilizationRates=pynvml.NVML_ERROR_NOT_SUPPORTED)
    reading = gpu.open_nvml().read()
    assert math.isnan(reading.utilization_ratio)
    assert reading.memory_used_bytes == 1_000_000.0


def test_a_gpu_that_does_not_tell_its_memory_has_utilization(monkeypatch):
    FakeLibrary(monkeypatch, nvmlDeviceGetMemoryInfo=pynvml.NVML_ERROR_NOT_SUPPORTED)
    reading = gpu.open_nvml().read()
    assert reading.utilization_ratio == 0.42
    assert math.isnan(reading.memory_used_bytes)


def test_where_there_is_no_nvml_the_real_binding_says_so():
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        with pytest.raises(GpuError):
            gpu.open_nvml()


def test_a_server_without_a_gpu_does_not_load_nvml():
    code = "import sys, asr_server.main; sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
