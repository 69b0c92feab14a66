import torch
from hypothesis import given, settings
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


@settings(deadline=None)
@given(rows=st.lists(WEIGHTS, min_size=1, max_size=5))
def test_tokens_of_each_row_equal_the_plain_loop(rows):
    width = max(1, *(len(row) for row in rows))
    hidden = torch.randn(len(rows), width, SIZE, generator=torch.Generator().manual_seed(1))
    weights = torch.zeros(len(rows), width + 1)
    for row, values in enumerate(rows):
        hidden[row, len(values) :] = 0
        weights[row, : len(values)] = torch.tensor(values)
    sums = weights.cumsum(dim=1, dtype=torch.float64)
    counts = cif.count_tokens(sums).tolist()
    embeddings = cif.integrate(hidden, sums, max(counts))
    for row, count in enumerate(counts):
        expected = plain_cif(hidden[row], weights[row, :width])
        assert count == len(expected)
        for ours, theirs in zip(embeddings[row], expected, strict=False):
            torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=0)


def make_predictor(tail_threshold):
    torch.manual_seed(0)
    config = cif.CifConfig(idim=SIZE, l_order=1, r_order=1, tail_threshold=tail_threshold)
    return cif.CifPredictor(config).requires_grad_(requires_grad=False)


def test_a_row_does_not_depend_on_its_padding():
    predictor = make_predictor(0.45)
    hidden = torch.randn(1, 6, SIZE)
    alone = predictor(hidden, torch.ones(1, 6, dtype=torch.bool))
    padded = torch.zeros(2, 9, SIZE)
    padded[0, :6] = hidden
    real = torch.arange(9) < torch.tensor([[6], [9]])
    together = predictor(padded, real)
    torch.testing.assert_close(together[0, :7], alone[0])
    assert together[0, 6:].unique().numel() == 1


def test_the_tail_weight_follows_the_last_frame_of_each_row():
    predictor, without = make_predictor(0.45), make_predictor(0.0)
    hidden = torch.zeros(2, 5, SIZE)
    real = torch.arange(5) < torch.tensor([[3], [0]])
    added = predictor(hidden, real) - without(hidden, real)
    expected = torch.tensor([[0, 0, 0, 0.45, 0.45, 0.45], [0.45] * 6], dtype=torch.float64)
    torch.testing.assert_close(added, expected, atol=1e-6, rtol=0)
