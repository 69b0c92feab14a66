"""Work for a GPU that is launched as a whole, in place of one kernel after the other.

What a short batch costs is the host, which launches hundreds of kernels of microseconds each. A
CUDA graph is launched at once, but for one shape, and always on the same places in memory
(pytorch.org/docs/stable/notes/cuda.html, "CUDA Graphs").
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

Work = Callable[..., Sequence[Tensor]]


class Launch(Protocol):
    """Work whose inputs are in place; returns what it made, in memory of its own."""

    def __call__(self) -> Sequence[Tensor]:
        """Do it again."""


class Recorder(Protocol):
    """Records work on inputs that stay where they are."""

    def __call__(self, work: Work, *inputs: Tensor) -> Launch:
        """Return the work, to be done again and again on what is in the inputs then."""


class CudaRecorder:
    """Records CUDA graphs, which share the memory of what they make on the way: one at a time."""

    def __init__(self) -> None:
        self._pool: Any = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work, *inputs: Tensor) -> Launch:
        """Do the work once as usual, as libraries ask for memory then, and record it."""
        work(*inputs)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = work(*inputs)

        def launch() -> Sequence[Tensor]:
            graph.replay()
            return [output.clone() for output in outputs]

        return launch
