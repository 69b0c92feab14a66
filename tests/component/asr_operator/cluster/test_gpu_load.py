"""How busy GPUs are, from the texts of DCGM exporters that a real Prometheus scrapes.

The texts are in tests/data/dcgm, the pods that they name below.
"""

import math
from pathlib import Path

import pytest

from asr_operator.state.load import LoadQuestion

pytestmark = pytest.mark.slow  # a Prometheus of its own

ROOT = Path(__file__).parents[4]
PODS = [
    {"service": "cpu", "name": "cpu-0"},
    *(
        {"service": service, "name": f"{service}-{number}", "device": "cuda", "nvml": nvml}
        for service, nvmls in {
            "sm": (0.9, 0.9),
            "util": (0.9, None),
            "mig": (None, None),
            "sliced": (0.97, 0.97),
            "lost": (0.4, 0.6),
            "engine": (None, math.nan),
            "nvml": (0.35, 0.45),
        }.items()
        for number, nvml in enumerate(nvmls)
    ),
]
DCGM = {path.stem: path.read_bytes() for path in sorted(ROOT.glob("tests/data/dcgm/*.txt"))}


@pytest.fixture(scope="module")
def exporter(make_exporter):
    return make_exporter(PODS, DCGM)


@pytest.fixture
async def read(sampler, prometheus_url):
    """Return what is known of a service after one round of questions."""

    async def read(service):
        made = sampler(prometheus_url)
        made.read(("speech", service), LoadQuestion())
        await made.sample()
        return made.read(("speech", service), LoadQuestion())

    return read


@pytest.mark.parametrize(
    ("service", "signal", "is_shared", "ratios"),
    [
        ("sm", "DCGM_FI_PROF_SM_ACTIVE", False, (0.31, 0.3)),
        ("mig", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", False, (0.25, 0.75)),
        ("util", "DCGM_FI_DEV_GPU_UTIL", False, (0.44, 0.8)),
        ("lost", "asr_gpu_utilization_ratio", False, (0.4, 0.6)),
        ("nvml", "asr_gpu_utilization_ratio", False, (0.35, 0.45)),
        ("sliced", "asr_engine_busy_seconds_total", True, (0.4, 0.4)),
        ("engine", "asr_engine_busy_seconds_total", False, (0.4, 0.4)),
        ("cpu", None, False, (None,)),
    ],
)
async def test_gpus_are_as_busy_as_the_best_signal_that_all_pods_have(
    read, service, signal, is_shared, ratios
):
    sample = await read(service)
    assert (sample.gpu_signal, sample.gpus_are_shared) == (signal, is_shared)
    found = [pod.gpu_ratio for pod in sample.pods]
    expected = [ratio if ratio is None else pytest.approx(ratio, rel=0.2) for ratio in ratios]
    assert found == expected
