"""A Paraformer-large with random weights and an honest token rate, as a FunASR model folder.

Sizes as in iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch, and in its
streaming twin, speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online.
"""

import json
import math
import shutil
from pathlib import Path

import msgspec
import torch
import yaml

from asr_server.models import paraformer
from asr_server.models.loading import demo_directory

SYMBOLS = 8404
TOKENS_PER_S, FRAMES_PER_S = 4.5, 1000 / 60
SIZES = {
    "encoder_conf": {
        "output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": 50,
    },
    "decoder_conf": {
        "attention_heads": 4, "linear_units": 2048, "num_blocks": 16, "att_layer_num": 16,
    },
    "predictor_conf": {"idim": 512},
}  # fmt: skip


def write(folder: Path, *, blocks: int | None = None, seed: int = 0, like: str = "asr") -> None:
    """Write the folder; `blocks` of encoder and decoder in place of 50 and 16, for tests.

    All but the sizes are as in the demo model `like`: asr, or asr_online for one that streams.
    """
    folder.mkdir(parents=True)
    demo = demo_directory() / like
    config = yaml.safe_load((demo / "config.yaml").read_text(encoding="utf-8"))
    for name, sizes in SIZES.items():
        config[name] |= sizes
    if blocks:
        config["encoder_conf"]["num_blocks"] = blocks
        config["decoder_conf"] |= {"num_blocks": blocks, "att_layer_num": blocks}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(demo / "am.mvn", folder / "am.mvn")
    names = ["<blank>", "<s>", "</s>", *(chr(0x4E00 + each) for each in range(SYMBOLS - 4))]
    symbols = json.dumps([*names, "<unk>"], ensure_ascii=False)
    (folder / "tokens.json").write_text(symbols, encoding="utf-8")
    torch.save(_make_weights(config, seed), folder / "model.pt")


def _make_weights(config: dict[str, object], seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    typed = msgspec.convert(config, paraformer.ParaformerConfig, strict=False)
    network = paraformer.Paraformer(typed, SYMBOLS)
    weights = network.state_dict()
    fired = TOKENS_PER_S / FRAMES_PER_S
    weights["predictor.cif_output.weight"].zero_()
    weights["predictor.cif_output.bias"].fill_(math.log(fired / (1 - fired)))
    return weights
