"""Train CT-Transformer on punctuated texts of the grammar."""

import random

import torch
from torch import Tensor

from demo_models import configs, grammar, networks, optimisation, punctuated

_ROWS = 32
_SHORTEST_TOKENS, _LONGEST_TOKENS = 10, 80
_NO_TOKEN = 0


def train_punc(plan: optimisation.Plan) -> dict[str, object]:
    """Train the network, write its folder, and return facts about it."""
    config = configs.configure_punc()
    symbols = grammar.list_tokens()
    ids = {symbol: number for number, symbol in enumerate(symbols)}
    torch.manual_seed(plan.schedule.seed)
    network = networks.build_network(config, len(symbols), configs.PUNC_SIZE)
    network.punc_weight = torch.tensor(network.punc_weight)  # the class expects a tensor

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        draw = random.Random(f"{plan.schedule.seed}:{step}")
        text, marks, lengths = _make_batch(draw, ids)
        loss, _, _ = network(text=text, punc=marks, text_lengths=lengths, punc_lengths=lengths)
        return loss, {"loss": loss.item()}

    elapsed_s = optimisation.train(network, loss_of, plan)
    networks.write_folder(plan.folder, config, network.state_dict(), symbols=symbols)
    return plan.describe(config["model"], networks.count_parameters(network), elapsed_s)


def _make_batch(draw: random.Random, ids: dict[str, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return token ids, marks (both (rows, tokens), padded with zeros) and lengths."""
    unknown = ids["<unk>"]
    rows = []
    for _ in range(_ROWS):
        marked = punctuated.draw_marked(draw, held_out=False)
        count = draw.randint(_SHORTEST_TOKENS, _LONGEST_TOKENS)
        known = [unknown if draw.random() < 0.01 else ids[token] for token in marked.tokens]
        rows.append((known[:count], marked.marks[:count]))
    lengths = torch.tensor([len(known) for known, _ in rows])
    text = torch.full((_ROWS, int(lengths.max())), _NO_TOKEN)
    marks = torch.full_like(text, _NO_TOKEN)
    for row, (known, chosen) in enumerate(rows):
        text[row, : len(known)] = torch.tensor(known)
        marks[row, : len(chosen)] = torch.tensor(chosen)
    return text, marks, lengths
