"""Train Paraformer and ParaformerStreaming with FunASR's own losses.

A CTC head beside the decoder aligns the encoder early in training; it is not shipped. What can go
wrong and is prevented here: the class scales its input in place (every step has fresh tensors), and
its CIF fails where the last row of a batch has no token (rows in which nobody speaks come first).
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from demo_models import configs, dataset, grammar, networks, optimisation

CTC_WEIGHT = 0.3
_BATCH_STEPS = 1000
_STATISTICS_ROWS = 1500
_KNOWN_RATIO = 0.35
_MASKED_MELS, _MELS, _STACKED = 20, 80, 7
_TOLD = ("loss_ctc", "loss_att", "loss_pre", "acc")

Batch = list[tuple[dataset.Row, int]]


class Batches:
    """Batches of similar length, about a thousand feature steps each; one row of each utterance
    per epoch, in one of its disturbed copies. The batch of a step follows from its number."""

    def __init__(
        self, data: dataset.Dataset, seed: int, start: networks.Start | None = None
    ) -> None:
        self._data = data
        self._known = frozenset(start.symbols if start else ())
        self._seed = seed
        self._stream = self._draw()
        self._next = 0
        symbols = grammar.list_tokens()
        self._ids = {symbol: number for number, symbol in enumerate(symbols)}
        found = start.statistics if start else data.mean_and_deviation(_STATISTICS_ROWS)
        self.statistics = found

    def batch(self, step: int) -> Batch:
        """Return the rows of a step; steps must rise."""
        while self._next <= step:
            found = next(self._stream)
            self._next += 1
        return found

    def tensors(self, step: int) -> dict[str, Tensor]:
        """Return the arguments of a Paraformer's `forward` for a step."""
        draw = random.Random(f"{self._seed}:{step}")
        batch = sorted(self.batch(step), key=lambda item: item[0].text != "")
        inputs = [self._mask(self._data.features(row, copy), draw) for row, copy in batch]
        words = [[self._ids[t] for t in grammar.split_tokens(row.text)] for row, _ in batch]
        lengths = [len(features) for features in inputs]
        counts = [len(ids) for ids in words]
        speech = torch.zeros(len(batch), max(lengths), dataset.FEATURES)
        text = torch.full((len(batch), max(1, *counts)), -1)
        for row, (features, ids) in enumerate(zip(inputs, words, strict=True)):
            speech[row, : len(features)] = torch.from_numpy(features)
            text[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
        return {
            "speech": speech,
            "speech_lengths": torch.tensor(lengths),
            "text": text,
            "text_lengths": torch.tensor(counts),
        }

    def _is_wanted(self, row: dataset.Row, draw: random.Random) -> bool:
        """Whether an epoch has a row: not all of those whose every symbol the start knew."""
        is_known = self._known.issuperset(grammar.split_tokens(row.text))
        return not (self._known and is_known) or draw.random() < _KNOWN_RATIO

    def _mask(self, features: Any, draw: random.Random) -> Any:
        """Normalise, and hide a band of frequencies."""
        mean, deviation = self.statistics
        normal = (features.astype(np.float32) - mean) / deviation
        width = draw.randrange(_MASKED_MELS)
        low = draw.randrange(_MELS - width)
        normal.reshape(-1, _STACKED, _MELS)[:, :, low : low + width] = 0
        return normal

    def _draw(self) -> Iterator[Batch]:
        epoch = 0
        while True:
            draw = random.Random(f"{self._seed}:epoch {epoch}")
            rows = [row for row in self._data.rows if self._is_wanted(row, draw)]
            items = [(row, draw.randrange(len(row.copies))) for row in rows]
            batches = _cut(sorted(items, key=lambda item: _length(item) + draw.uniform(0, 4)))
            draw.shuffle(batches)
            yield from batches
            epoch += 1


def train_asr(
    data: dataset.Dataset, plan: optimisation.Plan, start: networks.Start | None
) -> dict[str, object]:
    """Train Paraformer, write its folder, and return facts about it.

    Without a start the weights are random, and a CTC head aligns the encoder.
    """
    config = configs.configure_asr(streaming=False)
    batches = Batches(data, plan.schedule.seed, start)
    if start is not None:
        return _train(config, batches, plan, start)
    torch.manual_seed(plan.schedule.seed)
    trained = configs.configure_training(config, CTC_WEIGHT, with_dropout=True)
    network = networks.build_network(trained, len(grammar.list_tokens()), dataset.FEATURES)
    return _run(network, config, batches, plan)


def train_asr_online(
    data: dataset.Dataset, plan: optimisation.Plan, start: networks.Start
) -> dict[str, object]:
    """Train ParaformerStreaming, write its folder, and return facts about it.

    It can start from Paraformer's weights: every shape is the same.
    """
    config = configs.configure_asr(streaming=True)
    return _train(config, Batches(data, plan.schedule.seed, start), plan, start)


def _train(
    config: configs.Config, batches: Batches, plan: optimisation.Plan, start: networks.Start
) -> dict[str, object]:
    """Go on from weights that recognise something: no CTC head, and no dropout."""
    torch.manual_seed(plan.schedule.seed)
    trained = configs.configure_training(config, 0.0, with_dropout=False)
    symbols = grammar.list_tokens()
    network = networks.build_network(trained, len(symbols), dataset.FEATURES)
    networks.start_from(network, start, symbols)
    return _run(network, config, batches, plan) | {"start_sha256": start.sha256}


def _run(
    network: Any, config: configs.Config, batches: Batches, plan: optimisation.Plan
) -> dict[str, object]:
    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        loss, told, _ = network(**batches.tensors(step))
        return loss, {name: float(told[name]) for name in _TOLD if name in told}

    elapsed_s = optimisation.train(network, loss_of, plan)
    networks.write_folder(
        plan.folder,
        config,
        network.state_dict(),
        symbols=grammar.list_tokens(),
        statistics=batches.statistics,
    )
    return plan.describe(config["model"], networks.count_parameters(network), elapsed_s)


def _cut(items: Batch) -> list[Batch]:
    batches: list[Batch] = []
    current: Batch = []
    for item in items:
        if current and _length(item) * (len(current) + 1) > _BATCH_STEPS:
            batches.append(current)
            current = []
        current.append(item)
    return [*batches, current]


def _length(item: tuple[dataset.Row, int]) -> int:
    row, copy = item
    return row.copies[copy][1]
