import numpy as np
import pytest
import torch

from asr_server.models import staging


class Host:
    """Host values that write down what becomes of them, as there is no GPU."""

    def __init__(self):
        self.done = []

    def pin_memory(self):
        self.done.append("pinned")
        return self

    def to(self, device, **options):
        self.done.append((device.type, options))
        return self


@pytest.mark.parametrize(
    ("device", "done"),
    [("cpu", [("cpu", {})]), ("cuda", ["pinned", ("cuda", {"non_blocking": True})])],
)
def test_only_a_gpu_is_given_pinned_memory_and_is_not_waited_for(device, done):
    host = Host()
    assert staging.put(host, torch.device(device)) is host
    assert host.done == done


def test_lists_have_their_shape_and_type():
    put = staging.put_list([[1, 2, 3], [4, 5, 6]], torch.device("cpu"), torch.float64)
    assert put.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert put.dtype == torch.float64
    assert staging.put_list([7], torch.device("cpu")).dtype == torch.int64


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([(2, 1), (0, 2)], [[1, 1, 2], [2, 2, 0]]),
        ([(1,), (2,)], [[1, 0], [1, 1]]),
        ([(1, 1), (0, 2)], [[1, 2], [2, 2]]),
        ([(0,)], [[]]),
        ([], []),
    ],
)
def test_rows_are_their_parts_and_zeros_behind_them(lengths, expected):
    rows = [[np.full(n, k + 1, np.int16) for k, n in enumerate(row)] for row in lengths]
    put = staging.put_rows(rows, torch.device("cpu"))
    assert (put.dtype, put.tolist()) == (torch.int16, expected)
