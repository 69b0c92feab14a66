"""What is done without oneDNN, and that it is used again afterwards, whatever happened."""

import threading
from concurrent import futures

import pytest
import torch

from asr_server.engine import recovery
from asr_server.engine.torch_device import TorchDevice

NO_PRIMITIVE = "could not create a primitive"


@pytest.fixture
def device():
    threads = torch.get_num_threads()
    yield TorchDevice("cpu", 2)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("device")  # which gives the threads back
@pytest.mark.parametrize(
    ("name", "threads", "workers", "each"),
    [("cpu", 1, 1, 1), ("cpu", 2, 2, 1), ("cpu", 3, 2, 2), ("cpu", 7, 2, 4), ("cuda", 1, 2, 1)],
)
def test_workers_share_the_threads(name, threads, workers, each):
    assert TorchDevice(name, threads).workers == workers
    assert torch.get_num_threads() == each


class Computation:
    """Raises these errors, one a call, then answers; notes whether oneDNN was on."""

    def __init__(self, *errors):
        self.errors, self.with_onednn = list(errors), []

    def __call__(self, inputs):
        self.with_onednn.append(torch.backends.mkldnn.enabled)
        if self.errors:
            raise RuntimeError(self.errors.pop(0))
        return [2 * each for each in inputs]


@pytest.mark.parametrize(
    "says",
    [
        NO_PRIMITIVE,
        "could not execute a primitive",
        "could not create a memory object",
    ],
)
def test_a_batch_is_computed_without_what_onednn_cannot(device, says):
    compute = Computation(says)
    assert device.compute(compute, [1, 2]) == [2, 4]
    assert compute.with_onednn == [True, False]
    assert torch.backends.mkldnn.enabled
    assert device.compute(compute, [3]) == [6]
    assert compute.with_onednn[2:] == [True]


@pytest.mark.parametrize("second", [NO_PRIMITIVE, "std::bad_alloc", "another"])
def test_an_error_of_the_second_attempt_is_raised_and_onednn_is_on_again(device, second):
    compute = Computation(NO_PRIMITIVE, second)
    with pytest.raises(RuntimeError, match=second):
        device.compute(compute, [1])
    assert compute.with_onednn == [True, False]
    assert torch.backends.mkldnn.enabled


def test_another_error_is_raised_at_once(device):
    compute = Computation("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        device.compute(compute, [1])
    assert compute.with_onednn == [True]


class LongComputation(Computation):
    """Takes without oneDNN until it may end."""

    def __init__(self):
        super().__init__(NO_PRIMITIVE)
        self.under_way, self.may_end = threading.Event(), threading.Event()

    def __call__(self, inputs):
        answers = super().__call__(inputs)
        self.under_way.set()
        assert self.may_end.wait(5.0)
        return answers


class Memory:
    """Has room for one batch at a time; notes when one found none."""

    def __init__(self):
        self.room, self.refused = threading.Semaphore(1), threading.Event()
        self.under_way, self.may_end = threading.Event(), threading.Event()

    def hold(self, inputs):
        with self.room:
            self.under_way.set()
            assert self.may_end.wait(5.0)
        return inputs

    def double(self, inputs):
        if not self.room.acquire(blocking=False):
            self.refused.set()
            raise MemoryError
        self.room.release()
        return [2 * each for each in inputs]


def test_an_item_that_only_the_other_batch_leaves_no_memory_is_answered(device):
    """The failed attempt is over in no time, the batch beside it is not."""
    memory, too_large = Memory(), []
    with futures.ThreadPoolExecutor(3) as pool:
        other = pool.submit(device.compute, memory.hold, [1])
        assert memory.under_way.wait(5.0)
        alone = pool.submit(recovery.run_batch, memory.double, [2], device, too_large.append)
        assert memory.refused.wait(5.0)
        assert not futures.wait([alone], 0.1).done
        memory.may_end.set()
        assert (other.result(5.0), alone.result(5.0)) == ([1], [4])
    assert too_large == [1]
    assert device.compute(memory.double, [3]) == [6]


def test_no_batch_begins_beside_one_that_is_alone(device):
    memory = Memory()
    with futures.ThreadPoolExecutor(2) as pool:
        alone = pool.submit(device.compute, memory.hold, [1], alone=True)
        assert memory.under_way.wait(5.0)
        other = pool.submit(device.compute, memory.double, [2])
        assert not futures.wait([other], 0.1).done
        memory.may_end.set()
        assert (alone.result(5.0), other.result(5.0)) == ([1], [4])
    assert not memory.refused.is_set()


def test_onednn_is_off_until_no_worker_computes_without_it(device):
    first, second = LongComputation(), LongComputation()
    with futures.ThreadPoolExecutor(2) as pool:
        one = pool.submit(device.compute, first, [1])
        assert first.under_way.wait(5.0)
        other = pool.submit(device.compute, second, [2])
        assert second.under_way.wait(5.0)
        first.may_end.set()
        assert one.result(5.0) == [2]
        assert not torch.backends.mkldnn.enabled
        second.may_end.set()
        assert other.result(5.0) == [4]
    assert torch.backends.mkldnn.enabled
