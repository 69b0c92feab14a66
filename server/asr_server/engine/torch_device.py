"""What the engine itself asks of torch: threads, memory, and what an error means for the device."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from asr_server.engine.protocols import Input, Output

MOST_WORKERS = 2  # stages overlap, and more batches at a time would be smaller ones
# RuntimeErrors of the CPU, by torch's allocator and by C++ itself; and of CUDA and its libraries,
# which find nothing where torch's cache has all of it, as for the first batch of a thread
# (github.com/pytorch/pytorch/issues/128601). A handle that is not there says "not initialized".
_NO_MEMORY = (
    "can't allocate memory",
    "std::bad_alloc",
    "CUDA error: out of memory",
    "ALLOC_FAILED",
    "ALLOCATION_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)
# By oneDNN, which computes convolutions on a CPU: it has no memory, or no code for this shape.
_NO_PRIMITIVE = (
    "could not create a primitive",
    "could not execute a primitive",
    "could not create a memory object",
)

logger = logging.getLogger(__name__)


class TorchDevice:
    """One torch device, `cpu` or `cuda`, and the threads that compute on it.

    `workers` is how many batches run at a time. On a CPU two workers share the threads; on a GPU
    one prepares and reads its batch while the device computes that of the other.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._is_cuda = name.startswith("cuda")
        self.workers = MOST_WORKERS if self._is_cuda else min(MOST_WORKERS, threads)
        torch.set_num_threads(-(-threads // self.workers))  # no CPU is left idle by an odd number
        self._ended = threading.Condition()
        self._running = 0  # batches that are not alone
        self._lock = threading.Lock()
        self._without_onednn = 0  # batches that are computed so
        self._has_told = False

    def compute(
        self,
        compute: Callable[[Sequence[Input]], Sequence[Output]],
        inputs: Sequence[Input],
        *,
        alone: bool = False,
    ) -> Sequence[Output]:
        """Compute a batch; `alone` it has all the memory: it waits for others, and they for it."""
        with self._ended:
            if alone:
                self._ended.wait_for(lambda: not self._running)
                self.release_memory()  # of the others
                return self._compute(compute, inputs)
            self._running += 1
        try:
            return self._compute(compute, inputs)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def _compute(
        self, compute: Callable[[Sequence[Input]], Sequence[Output]], inputs: Sequence[Input]
    ) -> Sequence[Output]:
        """Compute a batch, without oneDNN where that cannot.

        What oneDNN had no memory for once it refuses ever after, for that shape (torch 2.15). If
        memory is still short, that shows in the second attempt.
        """
        try:
            return compute(inputs)
        except RuntimeError as error:
            if not any(text in str(error) for text in _NO_PRIMITIVE):
                raise
            level = logging.DEBUG if self._has_told else logging.WARNING
            logger.log(level, "a batch is computed without oneDNN, slowly, as it says: %s", error)
            self._has_told = True
        with self._switch_off_onednn():
            return compute(inputs)

    def is_lost(self, error: Exception) -> bool:
        """Say whether nothing can be computed after this error: a CUDA context does not recover.

        What CUDA's libraries say of a context that is gone, they also say of other things: ask it.
        """
        if self.is_out_of_memory(error) or not isinstance(error, RuntimeError):
            return False
        return isinstance(error, torch.AcceleratorError) or (self._is_cuda and not _answers())

    def is_out_of_memory(self, error: Exception) -> bool:
        """Say whether a smaller batch may succeed."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)

    def release_memory(self) -> None:
        """Give cached blocks back, so that halves of the batch find room in one piece."""
        gc.collect()
        if self._is_cuda:
            torch.cuda.empty_cache()

    @contextmanager
    def _switch_off_onednn(self) -> Iterator[None]:
        """Switch it off for the whole process: the other worker is slower meanwhile."""
        self._count_without_onednn(1)
        try:
            yield
        finally:
            self._count_without_onednn(-1)

    def _count_without_onednn(self, change: int) -> None:
        with self._lock:
            self._without_onednn += change
            torch._C._set_mkldnn_enabled(not self._without_onednn)


def _answers() -> bool:
    """Say whether the GPU computes what it is given."""
    try:
        torch.cuda.synchronize()
    except torch.AcceleratorError:
        return False
    return True
