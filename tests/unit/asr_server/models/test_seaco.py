"""SeACo-Paraformer in the size of the published model, on no device: names and sizes of weights."""

import copy

import msgspec
import torch

from asr_server.models import seaco
from tests.component.asr_server.models import seaco_folder

VOCABULARY, SIZE = 8404, 512
# iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch, as it is listed in
# lovemefan/paraformer.cpp (438c0c51), resource/: the parts that a plain Paraformer does not have.
LSTM_ELEMENTS = {"weight_ih": 4 * SIZE * SIZE, "weight_hh": 4 * SIZE * SIZE}
LSTM_ELEMENTS |= {"bias_ih": 4 * SIZE, "bias_hh": 4 * SIZE}
ELEMENTS = {
    "decoder.embed.0.weight": VOCABULARY * SIZE,
    "predictor.upsample_cnn.weight": 786_432,
    "predictor.upsample_cnn.bias": SIZE,
    "predictor.cif_output2.weight": 1024,
    "predictor.cif_output2.bias": 1,
    "hotword_output_layer.weight": 4_302_848,
    "hotword_output_layer.bias": VOCABULARY,
    "seaco_decoder.after_norm.weight": SIZE,
    "seaco_decoder.after_norm.bias": SIZE,
    **{
        f"{lstm}.{name}_{layer}": count
        for lstm, layers in (
            ("predictor.blstm", ("l0", "l0_reverse")),
            ("bias_encoder", ("l0", "l1")),
        )
        for layer in layers
        for name, count in LSTM_ELEMENTS.items()
    },
}
LAYER_ELEMENTS = {
    "self_attn.fsmn_block.weight": 10_752,
    "src_attn.linear_q.weight": 262_144,
    "src_attn.linear_q.bias": SIZE,
    "src_attn.linear_k_v.weight": 524_288,
    "src_attn.linear_k_v.bias": 1024,
    "src_attn.linear_out.weight": 262_144,
    "src_attn.linear_out.bias": SIZE,
    "norm2.weight": SIZE,
    "norm2.bias": SIZE,
    "norm3.weight": SIZE,
    "norm3.bias": SIZE,
}
LAST_LAYER_ELEMENTS = {
    "feed_forward.w_1.weight": 524_288,
    "feed_forward.w_1.bias": 1024,
    "feed_forward.w_2.weight": 524_288,
    "feed_forward.norm.weight": 1024,
    "feed_forward.norm.bias": 1024,
    "norm1.weight": SIZE,
    "norm1.bias": SIZE,
}


def build_published():
    config = copy.deepcopy(seaco_folder.CONFIG)
    config["model_conf"] |= {"inner_dim": SIZE, "NO_BIAS": 8377}
    config["encoder_conf"] |= {"output_size": SIZE, "linear_units": 2048, "num_blocks": 50}
    config["decoder_conf"] |= {"linear_units": 2048, "num_blocks": 16, "att_layer_num": 16}
    config["seaco_decoder_conf"]["linear_units"] = 1024
    config["predictor_conf"]["idim"] = SIZE
    with torch.device("meta"):
        return seaco.SeacoParaformer(msgspec.convert(config, seaco.SeacoConfig), VOCABULARY)


def test_names_and_sizes_are_those_of_the_published_weights():
    expected = dict(ELEMENTS)
    for layer in range(6):
        parts = LAYER_ELEMENTS | LAST_LAYER_ELEMENTS
        expected |= {f"seaco_decoder.decoders.{layer}.{name}": n for name, n in parts.items()}
    expected |= {f"seaco_decoder.decoders3.0.{name}": n for name, n in LAST_LAYER_ELEMENTS.items()}
    found = {name: value.numel() for name, value in build_published().state_dict().items()}
    assert {name: found[name] for name in expected} == expected
    rest = {name.split(".")[0] for name in found.keys() - expected.keys()}
    assert rest == {"encoder", "decoder", "predictor"}
    assert not [name for name in found.keys() - expected.keys() if "embed" in name]
