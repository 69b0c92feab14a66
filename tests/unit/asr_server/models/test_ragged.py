import numpy as np
import pytest
import torch

from asr_server.models import ragged


def test_rows_end_together_after_zeros():
    rows = [torch.ones(2, 3, 4), torch.full((2, 1, 4), 2.0), torch.zeros(2, 0, 4)]
    stacked = ragged.stack_ends(rows)
    assert stacked.shape == (2, 3, 3, 4)
    assert stacked[0, :, :, 0].tolist() == [[1, 1, 1], [0, 0, 2], [0, 0, 0]]


def test_room_stays_behind_the_rows():
    for second in (1, 2):
        stacked = ragged.stack_ends([torch.ones(2, 1), torch.full((second, 1), 3.0)], room=1)
        assert stacked[..., 0].tolist() == [[1, 1, 0], [3 * (second - 1), 3, 0]]


@pytest.mark.parametrize("starts", [[1, 1], [0, 2]])
def test_windows_are_cut_where_each_row_says(starts):
    rows = torch.arange(48.0).view(2, 2, 6, 2)
    found = ragged.cut_windows(rows, starts, 3)
    for place, start in enumerate(starts):
        assert torch.equal(found[place], rows[:, place, start : start + 3])


@pytest.mark.parametrize("copy", [ragged.copy_ranges, ragged.copy_packed])
@pytest.mark.parametrize("layers", [(), (3,)])
@pytest.mark.parametrize("stops", [[4, 4, 4], [4, 1, 6]])
def test_ranges_own_their_memory(copy, layers, stops):
    """On a CPU row by row, on a GPU all in one."""
    rows = torch.randn(*layers, 3, 6, 2)
    found = copy(rows, [1, 1, 1], stops)
    for place, (stop, own) in enumerate(zip(stops, found, strict=True)):
        assert torch.equal(own, rows[..., place, 1:stop, :])
        assert own.untyped_storage().nbytes() == own.nbytes


def test_ranges_that_are_all_empty_are_not_given_to_the_gpu(monkeypatch):
    """Where chunks see nothing around them. torch's CUDA code divides by the size and dies."""

    def divide(packed, lengths, dim, out):
        assert packed.shape[dim], "SIGFPE"

    monkeypatch.setattr(torch, "split_with_sizes_copy", divide)
    found = ragged.copy_packed(torch.randn(3, 2, 6, 2), [6, 1], [6, 1])
    assert [own.shape for own in found] == [(3, 0, 2)] * 2


@pytest.mark.parametrize("lengths", [[3, 3], [3, 1], [0, 3]])
def test_parts_lie_behind_each_other_and_zeros_behind_them(lengths):
    rows = [[np.full((1, 2), k + 1, np.float32) for k in range(length)] for length in lengths]
    laid = ragged.lay_out(rows, lengths)
    numbers = [[k + 1 if k < length else 0 for k in range(3)] for length in lengths]
    assert laid[..., 0].tolist() == laid[..., 1].tolist() == numbers


def test_tails_follow_their_heads_without_a_gap():
    heads = [torch.ones(2, 1), torch.ones(0, 1), torch.ones(3, 1)]
    tails = torch.tensor([[5.0, 6.0], [7.0, 8.0], [9.0, 9.0]])[..., None]
    joined = ragged.join(heads, tails, [2, 1, 0])
    assert joined[..., 0].tolist() == [[1, 1, 5, 6], [7, 0, 0, 0], [1, 1, 1, 0]]


def test_a_row_of_nothing_is_one_step_wide():
    assert ragged.join([torch.zeros(0, 1)], torch.zeros(1, 0, 1), [0]).shape == (1, 1, 1)
