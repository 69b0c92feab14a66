"""A small SenseVoice-Small of the exact architecture with random weights, as a model folder."""

import io
import json
import shutil

import msgspec
import sentencepiece
import torch
import yaml

from asr_server.models import loading, sense_voice, sentence_pieces
from demo_models.configs import FRONTEND_LFR

TAGS = [
    *("<|zh|>", "<|en|>", "<|yue|>", "<|ja|>", "<|ko|>", "<|nospeech|>", "<|NEUTRAL|>"),
    *("<|HAPPY|>", "<|Speech|>", "<|BGM|>", "<|withitn|>", "<|woitn|>"),
]
SENTENCES = [
    "打开客厅的灯，好吗？",
    "今天天气很好。",
    "turn on the light, please.",
    "안녕하세요 세계.",
]
SIZE = 64
ENCODER = {
    "output_size": SIZE,
    "attention_heads": 4,
    "linear_units": 128,
    "num_blocks": 3,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
CONFIG = {
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {
        **ENCODER,
        "tp_blocks": 2,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
    },
    "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True},
    "normalize": None,
    "frontend": "WavFrontend",
    "frontend_conf": {**FRONTEND_LFR, "cmvn_file": None},
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
}
FILES = {  # as the hubs' folders name their files to FunASR
    "file_path_metas": {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"bpemodel": "small.bpe.model"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    }
}


def train_pieces(texts):
    """Train a SentencePiece model with SenseVoice's tags; return it serialised."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 20),
        model_writer=written,
        vocab_size=400,
        user_defined_symbols=TAGS,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return written.getvalue()


def write_folder(folder):
    """Write config.yaml, configuration.json, model.pt, am.mvn and the pieces."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "configuration.json").write_text(json.dumps(FILES))
    pieces = train_pieces(SENTENCES)
    (folder / "small.bpe.model").write_bytes(pieces)
    shutil.copy(loading.demo_directory() / "asr" / "am.mvn", folder)
    vocabulary = len(sentence_pieces.SentencePieces(pieces))
    config = msgspec.convert(CONFIG, sense_voice.SenseVoiceConfig)
    network = sense_voice.SenseVoice(config, vocabulary)
    torch.save(draw_weights(network.state_dict()), folder / "model.pt")


def draw_weights(shapes):
    """Draw weights under which nothing vanishes or explodes, and norms do something too."""
    draw = torch.Generator().manual_seed(7)
    weights = {}
    for name, value in shapes.items():
        drawn = torch.randn(value.shape, generator=draw)
        if "norm" in name and name.endswith("weight"):
            weights[name] = 1 + 0.2 * drawn
        elif value.dim() == 1:
            weights[name] = 0.2 * drawn
        else:
            weights[name] = drawn / value[0].numel() ** 0.5
    return weights
