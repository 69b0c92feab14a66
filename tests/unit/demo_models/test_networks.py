"""Training goes on from what is in the package, and new symbols start as new rows."""

import numpy as np
import torch
from torch import nn

from asr_server.models import frontend
from demo_models import networks


class Small(nn.Module):
    """Rows for symbols, and something that does not know them."""

    def __init__(self, symbols):
        super().__init__()
        self.embed = nn.Embedding(symbols, 2)
        self.linear = nn.Linear(2, 2)


def test_rows_of_known_symbols_are_taken_over_and_new_ones_stay_as_drawn():
    known, symbols = ["<s>", "b", "c", "<unk>"], ["<s>", "a", "b", "c", "d", "<unk>"]
    before, network = Small(len(known)), Small(len(symbols))
    drawn = network.embed.weight.detach().clone()
    start = networks.Start(before.state_dict(), known, (np.zeros(1), np.ones(1)), "")
    networks.start_from(network, start, symbols)
    assert torch.equal(network.linear.weight, before.linear.weight)
    assert torch.equal(network.embed.weight[[0, 2, 3, 5]], before.embed.weight)
    assert torch.equal(network.embed.weight[[1, 4]], drawn[[1, 4]])


def test_a_written_folder_is_read_back(tmp_path):
    mean, deviation = np.array([1.5, -2.0], np.float32), np.array([0.5, 4.0], np.float32)
    weights = {"encoder.encoders0.0.norm1.weight": torch.ones(2), "ctc.weight": torch.ones(3)}
    config = {"model": "Paraformer"}
    networks.write_folder(
        tmp_path, config, weights, symbols=["一", "one"], statistics=(mean, deviation)
    )
    start = networks.read_start(tmp_path)
    assert list(start.weights) == ["encoder.encoders0.0.norm1.weight"]
    assert start.weights["encoder.encoders0.0.norm1.weight"].dtype == torch.float32
    assert start.symbols == ["一", "one"]
    np.testing.assert_allclose(start.statistics, (mean, deviation), rtol=1e-5)
    shift, scale = frontend.read_cmvn(tmp_path / "am.mvn", 2)
    np.testing.assert_allclose((shift, scale), (-mean, 1 / deviation), rtol=1e-5)
