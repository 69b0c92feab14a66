import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr_server.models import cif

SIZE = 3


def plain_cif(hidden, weights):
    """Integrate frame by frame and fire at one: the definition, for one row."""
    tokens = []
    total, embedding = 0.0, torch.zeros(hidden.shape[1], dtype=torch.float64)
    for frame, weight in zip(hidden.double(), weights.tolist(), strict=True):
        if total + weight < 1.0:
            total += weight
            embedding = embedding + weight * frame
        else:
            rest = 1.0 - total
            tokens.append(embedding + rest * frame)
            total = weight - rest
            embedding = total * frame
    return tokens


# Thirty-seconds add up exactly, so that the two may be compared where a weight ends on a token.
WEIGHTS = st.lists(st.integers(0, 32).map(lambda n: n / 32), max_size=30)


@given(rows=st.lists(WEIGHTS, min_size=1, max_size=5))
def test_tokens_of_each_row_equal_the_plain_loop(rows):
    width = max(1, *(len(row) for row in rows))
    hidden = torch.randn(len(rows), width, SIZE, generator=torch.Generator().manual_seed(1))
    weights = torch.zeros(len(rows), width)
    for row, values in enumerate(rows):
        hidden[row, len(values) :] = 0
        weights[row, : len(values)] = torch.tensor(values)
    sums = cif.accumulate(weights, torch.zeros(len(rows)), torch.zeros(len(rows)))
    counts = cif.count_tokens(sums).tolist()
    embeddings = cif.integrate(hidden, sums, max(counts))
    for row, count in enumerate(counts):
        expected = plain_cif(hidden[row], weights[row])
        assert count == len(expected)
        for ours, theirs in zip(embeddings[row], expected, strict=False):
            torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=0)


@given(values=WEIGHTS, cuts=st.lists(st.integers(0, 30), max_size=4))
def test_a_stream_that_carries_its_last_token_has_the_tokens_of_the_whole(values, cuts):
    hidden = torch.randn(1, len(values), SIZE, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([values])
    found, weight, partial = [], 0.0, torch.zeros(SIZE)
    edges = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    for start, stop in itertools.pairwise(edges):
        part = hidden[:, start:stop]
        sums = cif.accumulate(weights[:, start:stop], torch.tensor([weight]), torch.zeros(1))
        count = cif.count_tokens(sums).item()
        embeddings = cif.integrate(part, sums, count + 1)[0]
        embeddings[0] += partial
        found += embeddings[:count]
        weight, partial = sums[0, -1].item() - count, embeddings[count]
    expected = plain_cif(hidden[0], weights[0])
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=0)


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    config = cif.CifConfig(idim=SIZE, l_order=1, r_order=1)
    return cif.CifPredictor(config).requires_grad_(requires_grad=False)


def test_a_row_does_not_depend_on_its_padding(predictor):
    hidden = torch.randn(1, 6, SIZE)
    alone = predictor(hidden, torch.ones(1, 6, dtype=torch.bool))
    padded = torch.zeros(2, 9, SIZE)
    padded[0, :6] = hidden
    together = predictor(padded, torch.arange(9) < torch.tensor([[6], [9]]))
    torch.testing.assert_close(together[0, :6], alone[0])
    assert together[0, 6:].tolist() == [0.0] * 3


def test_the_tail_weight_follows_the_last_frame_of_each_row():
    weights = torch.tensor([[0.5, 0.25], [0.0, 0.0]])
    sums = cif.accumulate(weights, torch.tensor([0.125, 0.0]), torch.tensor([0.5, 0.0]))
    assert sums.tolist() == [[0.125, 0.625, 0.875, 1.375], [0.0] * 4]
    assert cif.count_tokens(sums).tolist() == [1, 0]
