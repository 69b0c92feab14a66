import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.engine import recovery


class Device:
    def __init__(self):
        self.released = 0

    def compute(self, compute, inputs, *, alone=False):
        return compute(inputs)

    def is_lost(self, error):
        return isinstance(error, SystemError)

    def is_out_of_memory(self, error):
        return isinstance(error, MemoryError)

    def release_memory(self):
        self.released += 1


def double(inputs):
    if any(value is None for value in inputs):
        raise ValueError("there is a None")
    return [2 * value for value in inputs]


def run(compute, inputs, device=None):
    too_large = []
    outcomes = recovery.run_batch(compute, inputs, device or Device(), too_large.append)
    return outcomes, too_large


@given(st.lists(st.none() | st.integers(), max_size=40))
def test_only_the_poisonous_fail_and_the_order_stays(inputs):
    outcomes, _ = run(double, inputs)
    poison = recovery.Poison("ValueError: there is a None")
    assert outcomes == [poison if value is None else 2 * value for value in inputs]


def test_a_batch_without_trouble_is_computed_once():
    calls = []
    run(lambda inputs: calls.append(len(inputs)) or inputs, list(range(32)))
    assert calls == [32]


def test_one_poison_among_many_costs_two_attempts_per_halving():
    calls = []

    def compute(inputs):
        calls.append(len(inputs))
        return double(inputs)

    run(compute, [1] * 31 + [None])
    assert len(calls) == 1 + 2 * 5


@given(st.integers(1, 40), st.integers(1, 40))
def test_what_does_not_fit_is_halved_until_it_does(size, capacity):
    def compute(inputs):
        if len(inputs) > capacity:
            raise MemoryError
        return double(inputs)

    device = Device()
    outcomes, too_large = run(compute, list(range(size)), device)
    assert outcomes == [2 * value for value in range(size)]
    assert device.released == len(too_large)
    assert all(failed > capacity for failed in too_large)


def test_an_item_that_never_fits_is_tried_once_more_and_fails_alone():
    calls = []

    def compute(inputs):
        calls.append(len(inputs))
        raise MemoryError

    outcomes, too_large = run(compute, ["long"])
    assert (calls, too_large) == ([1, 1], [1])
    assert outcomes == [recovery.Poison("the device has not enough memory for this audio")]


def test_an_item_that_fits_once_memory_is_released_is_answered():
    device = Device()

    def compute(inputs):
        if not device.released:
            raise MemoryError
        return inputs

    assert run(compute, ["long"], device) == (["long"], [1])


def test_memory_of_the_failed_attempt_is_free_before_the_next():
    class Tensor:
        alive = 0

        def __init__(self):
            Tensor.alive += 1

        def __del__(self):
            Tensor.alive -= 1

    seen = []

    def compute(inputs):
        seen.append(Tensor.alive)
        held = Tensor()
        if len(inputs) > 1:
            raise MemoryError(held)
        return inputs

    run(compute, [1, 2, 3, 4])
    assert seen == [0] * 7


def test_a_model_that_loses_an_answer_is_found_out():
    outcomes, _ = run(lambda inputs: inputs[:-1], [1, 2])
    assert outcomes == [recovery.Poison("RuntimeError: 0 answers came for 1 inputs")] * 2


def test_an_error_that_says_nothing_is_told_by_its_kind(caplog):
    def compute(inputs):
        raise MemoryError if len(inputs) > 1 else AssertionError

    outcomes, _ = run(compute, [1, 2])
    assert outcomes == [recovery.Poison("AssertionError")] * 2
    assert "out of memory in a batch of 2: MemoryError" in caplog.messages


def test_a_lost_device_is_not_recovered_from():
    def compute(_):
        raise SystemError

    with pytest.raises(SystemError):
        run(compute, [1, 2, 3])
