"""A small SeACo-Paraformer of the exact architecture with random weights, as a model folder."""

import copy
import json
import shutil

import msgspec
import torch
import yaml

from asr_server.models import bicif, loading, seaco
from demo_models.configs import FRONTEND_LFR
from tests.component.asr_server.models.sense_voice_folder import ENCODER, SIZE, draw_weights

PIECES = ["hel@@", "lo", "world"]
SPELLINGS = "hello hel@@ lo\nworld world\n一 一\n打 打\n开 开\n客 客\n厅 厅\n灯 灯\n五 五\n5 五\n"
DECODER = {
    "attention_heads": 4,
    "linear_units": 128,
    "num_blocks": 3,
    "att_layer_num": 3,
    "kernel_size": 11,
    "sanm_shfit": 0,
}
CONFIG = {
    "model": "SeacoParaformer",
    "model_conf": {
        "ctc_weight": 0.0,
        "lsm_weight": 0.1,
        "length_normalized_loss": True,
        "predictor_weight": 1.0,
        "predictor_bias": 1,
        "sampling_ratio": 0.75,
        "inner_dim": SIZE,
        "bias_encoder_type": "lstm",
        "bias_encoder_bid": False,
        "seaco_lsm_weight": 0.1,
        "seaco_length_normal": True,
        "train_decoder": True,
        "NO_BIAS": 0,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": ENCODER,
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": DECODER,
    "seaco_decoder": "ParaformerSANMDecoder",
    "seaco_decoder_conf": {
        "attention_heads": 4,
        "linear_units": 128,
        "num_blocks": 4,
        "kernel_size": 21,
        "sanm_shfit": 0,
        "use_output_layer": False,
        "wo_input_layer": True,
    },
    "predictor": "CifPredictorV3",
    "predictor_conf": {
        "idim": SIZE,
        "threshold": 1.0,
        "l_order": 1,
        "r_order": 1,
        "tail_threshold": 0.45,
        "smooth_factor2": 0.25,
        "noise_threshold2": 0.01,
        "upsample_times": 3,
        "use_cif1_cnn": False,
        "upsample_type": "cnn_blstm",
    },
    "frontend": "WavFrontend",
    "frontend_conf": FRONTEND_LFR,
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
}


def write_folder(folder, **changes):
    """Write config.yaml, model.pt, tokens.json, am.mvn and seg_dict."""
    folder.mkdir(parents=True)
    demo = loading.demo_directory() / "asr"
    characters = json.loads((demo / "tokens.json").read_text())
    symbols = [*characters[:-1], *PIECES, "<nothing>", "<unk>"]
    config = copy.deepcopy(CONFIG) | changes
    config["model_conf"]["NO_BIAS"] = symbols.index("<nothing>")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "tokens.json").write_text(json.dumps(symbols, ensure_ascii=False))
    (folder / "seg_dict").write_text(SPELLINGS)
    shutil.copy(demo / "am.mvn", folder)
    if config["model"] == "SeacoParaformer":
        network = seaco.SeacoParaformer(msgspec.convert(config, seaco.SeacoConfig), len(symbols))
    else:
        network = bicif.BiCifParaformer(msgspec.convert(config, bicif.BiCifConfig), len(symbols))
    torch.save(make_useful(draw_weights(network.state_dict()), symbols), folder / "model.pt")


def make_useful(weights, symbols):
    """Let a few tokens a second fire, and the bias decoder change some of them and not others."""
    weights["predictor.cif_output.bias"] -= 0.5
    never = [symbols.index(symbol) for symbol in ("<unk>", "hel@@")]
    weights["decoder.output_layer.bias"][[*never, symbols.index("<nothing>")]] = -1e4
    if "hotword_output_layer.bias" in weights:
        weights["hotword_output_layer.bias"][never] = -1e4
        weights["hotword_output_layer.bias"][symbols.index("<nothing>")] += 6.0
    return weights
