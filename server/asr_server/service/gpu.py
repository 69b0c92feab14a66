"""How busy the GPU is, and how much of its memory is in use, as NVML tells it.

NVML is asked in a thread, since a driver may take its time. Whatever fails, the server goes on:
what is not known is NaN, and there are no such series before something was. The first GPU that the
container sees is the one; Kubernetes shows a server no other. Where several pods share it, this is
what all of them do. A slice of a GPU (MIG) has no utilization in NVML.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry

from asr_server.metrics import GpuMetrics

PERIOD_S = 1.0
WINDOW = 15  # NVML's own sample is of a sixth of a second to a second
RETRY_S = 60.0

logger = logging.getLogger(__name__)


class GpuError(Exception):
    """There is no GPU to read, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GPU does now; NaN for what it does not tell."""

    utilization_ratio: float
    memory_used_bytes: float


class Gpu(Protocol):
    """The GPU of this server."""

    def read(self) -> Reading:
        """Return what it does now; raise `GpuError`."""


def open_nvml() -> Gpu:
    """Return the first GPU that NVML shows; raise `GpuError` when there is none.

    NVML's binding takes 18 MB and half a second of a busy core: only servers with a GPU import it.
    """
    from asr_server.service.nvml import Nvml

    return Nvml()


async def watch_gpu(registry: CollectorRegistry, open_gpu: Callable[[], Gpu]) -> None:
    """Read the GPU for ever, and try again after a while when it cannot be read."""
    metrics: GpuMetrics | None = None
    complaint = ""
    while True:
        try:
            gpu = await asyncio.to_thread(open_gpu)
            first = await asyncio.to_thread(gpu.read)
            metrics = metrics or GpuMetrics(registry)
            complaint = ""
            await _follow(gpu, first, metrics)
        except Exception as error:  # noqa: BLE001 - whatever the binding has
            if metrics is not None:
                _show(metrics, Reading(math.nan, math.nan))
            if (reason := str(error) or type(error).__name__) != complaint:
                complaint = reason
                logger.info("the use of the GPU is not known: %s", complaint)
        await asyncio.sleep(RETRY_S)


async def _follow(gpu: Gpu, first: Reading, metrics: GpuMetrics) -> None:
    ratios = deque([first.utilization_ratio], WINDOW)
    reading = first
    while True:
        mean = math.fsum(ratios) / len(ratios)
        _show(metrics, Reading(mean, reading.memory_used_bytes))
        await asyncio.sleep(PERIOD_S)
        reading = await asyncio.to_thread(gpu.read)
        ratios.append(reading.utilization_ratio)


def _show(metrics: GpuMetrics, reading: Reading) -> None:
    metrics.utilization.set(reading.utilization_ratio)
    metrics.memory_used_bytes.set(reading.memory_used_bytes)
