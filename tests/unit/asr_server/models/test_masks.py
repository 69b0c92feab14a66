import torch

from asr_server.models import masks

CPU = torch.device("cpu")


def test_real_positions_are_those_before_each_length():
    found = masks.real_positions([2, 0, 3], 3, CPU)
    assert found.int().tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]


def test_an_empty_row_attends_to_something():
    found = masks.attended_positions([2, 0, 3], 3, CPU)
    assert found.shape == (3, 1, 1, 3)
    assert found[:, 0, 0].int().tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]


def test_without_padding_there_is_no_mask():
    assert masks.attended_positions([3, 3], 3, CPU) is None


def test_the_past_of_each_row_ends_where_its_new_positions_begin():
    attended = masks.recalled_positions([2, 0, 1], [1, 3, 0], 3, torch.device("cpu"))
    assert attended.shape == (3, 1, 1, 5)
    assert attended[:, 0, 0].int().tolist() == [
        [1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1],
        [0, 1, 1, 0, 0],
    ]
    assert masks.recalled_positions([2, 2], [3, 3], 3, torch.device("cpu")) is None
