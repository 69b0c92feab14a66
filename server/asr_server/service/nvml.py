"""NVML, NVIDIA's library of the driver, as the GPU of this server."""

import contextlib
import math

import pynvml

from asr_server.service.gpu import GpuError, Reading


class Nvml:
    """The first GPU that NVML shows; raise `GpuError` when there is none."""

    def __init__(self) -> None:
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        except pynvml.NVMLError as error:
            raise GpuError(str(error)) from None

    def read(self) -> Reading:
        """Return what it does now; raise `GpuError`."""
        busy_ratio = used_bytes = math.nan
        try:
            with contextlib.suppress(pynvml.NVMLError_NotSupported):
                busy_ratio = pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100
            with contextlib.suppress(pynvml.NVMLError_NotSupported):
                used_bytes = float(pynvml.nvmlDeviceGetMemoryInfo(self._handle).used)
        except pynvml.NVMLError as error:
            raise GpuError(str(error)) from None
        return Reading(busy_ratio, used_bytes)
