"""What the engine itself asks of torch: threads, memory, and what an error means for the device."""

import gc

import torch

MOST_WORKERS = 2  # stages overlap, and more batches at a time would be smaller ones


class TorchDevice:
    """One torch device, `cpu` or `cuda`, and the threads that compute on it.

    `workers` is how many batches run at a time. On a CPU two workers share the threads; on a GPU
    two batches at a time were not measured, and there is one.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._is_cuda = name.startswith("cuda")
        self.workers = 1 if self._is_cuda else min(MOST_WORKERS, threads)
        torch.set_num_threads(-(-threads // self.workers))  # no CPU is left idle by an odd number

    def is_lost(self, error: Exception) -> bool:
        """Say whether nothing can be computed after this error: a CUDA context does not recover."""
        return isinstance(error, torch.AcceleratorError) and not self.is_out_of_memory(error)

    def is_out_of_memory(self, error: Exception) -> bool:
        """Say whether a smaller batch may succeed."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)

    def release_memory(self) -> None:
        """Give cached blocks back, so that halves of the batch find room in one piece."""
        gc.collect()
        if self._is_cuda:
            torch.cuda.empty_cache()
