"""Train FSMN-VAD: which 10 ms are speech, told from the clean signal that a recording is made of.

Labels are smoothed. A network that is too sure of itself makes FunASR's class take the log of zero.
"""

import random

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from torch import Tensor, nn
from torch.nn import functional

from demo_models import configs, dataset, networks, optimisation, speech, streams

FEATURES = 400
STREAMS = 800
_ROWS = 2500
_CROP_STEPS = 300
_CROPS = 16
_SMOOTHING = 0.02
_UNLABELLED = -100
_QUIET_EVERY = 5
_LOWEST_SNR_DB = 12

Example = tuple[Tensor, Tensor]


def train_vad(data: dataset.Dataset, plan: optimisation.Plan) -> dict[str, object]:
    """Train the network, write its folder, and return facts about it."""
    draw = random.Random(f"{plan.schedule.seed}:vad")
    examples = [_make_example(draw, data, number) for number in range(STREAMS)]
    known = torch.cat([features for features, _ in examples]).float()
    mean, deviation = known.mean(dim=0), known.std(dim=0)
    print(f"vad: {len(known) / 100:.0f} s of audio")
    config = configs.configure_vad()
    torch.manual_seed(plan.schedule.seed)
    network = networks.build_network(config, 0, FEATURES)
    encoder = network.encoder
    encoder.use_softmax = False
    entropy = nn.CrossEntropyLoss(label_smoothing=_SMOOTHING, ignore_index=_UNLABELLED)

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        crops = random.Random(f"{plan.schedule.seed}:{step}")
        pairs = [_crop(crops, *crops.choice(examples)) for _ in range(_CROPS)]
        inputs = torch.stack([features for features, _ in pairs]).float()
        labels = torch.cat([labels for _, labels in pairs])
        scores = encoder((inputs - mean) / deviation).flatten(0, 1)
        right = (scores.argmax(dim=-1) == labels)[labels != _UNLABELLED].float().mean()
        loss: Tensor = entropy(scores, labels)
        return loss, {"loss": loss.item(), "right": right.item()}

    elapsed_s = optimisation.train(encoder, loss_of, plan)
    statistics = mean.numpy(), deviation.numpy()
    networks.write_folder(plan.folder, config, network.state_dict(), statistics=statistics)
    return plan.describe(config["model"], networks.count_parameters(network), elapsed_s)


def _make_example(draw: random.Random, data: dataset.Dataset, number: int) -> Example:
    if number % _QUIET_EVERY == 0:
        samples = speech.draw_no_speech(draw, int(draw.uniform(3, 8) * speech.RATE_HZ))
        stream = streams.Stream(samples, [])
    else:
        usable = [row for row in data.rows[:_ROWS] if row.text and not row.has_pause]
        rows = draw.choices(usable, k=draw.randint(1, 3))
        gaps = streams.Gaps(0.2, 2.0, tone_ratio=0.15)
        joined = streams.join(draw, data, rows, gaps)
        stream = streams.disturb(draw, joined, _LOWEST_SNR_DB)
    front = WavFrontend(**configs.FRONTEND_VAD)
    waveform = torch.from_numpy(np.ascontiguousarray(stream.samples))
    features = front(waveform[None], [len(waveform)])[0][0].half()
    labels = torch.from_numpy(stream.labels())
    steps = min(len(features), len(labels))
    return features[:steps], labels[:steps]


def _crop(draw: random.Random, features: Tensor, labels: Tensor) -> Example:
    start = draw.randrange(max(1, len(features) - _CROP_STEPS))
    features, labels = (part[start : start + _CROP_STEPS] for part in (features, labels))
    missing = _CROP_STEPS - len(features)
    return (
        functional.pad(features, (0, 0, 0, missing)),
        functional.pad(labels, (0, missing), value=_UNLABELLED),
    )
