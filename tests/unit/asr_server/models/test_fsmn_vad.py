import pytest
import torch

from asr_server.models import fsmn_vad

CONFIG = fsmn_vad.FsmnConfig(
    input_dim=6,
    input_affine_dim=5,
    fsmn_layers=3,
    linear_dim=7,
    proj_dim=4,
    lorder=8,
    output_affine_dim=5,
    output_dim=2,
)


@pytest.mark.parametrize("chunk", [1, 3, 20, 50])
def test_chunks_give_the_scores_of_the_whole(chunk):
    torch.manual_seed(0)
    network = fsmn_vad.Fsmn(CONFIG).requires_grad_(requires_grad=False)
    features = torch.randn(2, 50, 6)
    whole, _ = network(features, network.start(2))
    parts, past = [], network.start(2)
    for start in range(0, 50, chunk):
        part = features[:, start : start + chunk]
        scores, known = network(part, past)
        past = known[:, :, part.shape[1] :]
        parts.append(scores)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-4)
