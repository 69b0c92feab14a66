"""The config.yaml of each demo model: FunASR's classes at a size that trains on one core."""

from typing import Any

Config = dict[str, Any]

SIZE, HEADS, UNITS = 96, 4, 256
ENCODER_LAYERS, DECODER_LAYERS = 4, 2
KERNEL = 11
DROPOUT = 0.1
MARKS = ("<unk>", "_", "，", "。", "？", "、")
PUNC_SIZE = 64

_FRONTEND: Config = {
    "fs": 16000,
    "window": "hamming",
    "n_mels": 80,
    "frame_length": 25,
    "frame_shift": 10,
    "dither": 0.0,
}
FRONTEND_LFR: Config = {**_FRONTEND, "lfr_m": 7, "lfr_n": 6}
FRONTEND_VAD: Config = {**_FRONTEND, "lfr_m": 5, "lfr_n": 1}
_TOKENIZER: Config = {
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
}
_STREAMING: Config = {
    "chunk_size": [20, 15],
    "stride": [10, 10],
    "pad_left": [5, 0],
    "encoder_att_look_back_factor": [4, 4],
    "decoder_att_look_back_factor": [1, 1],
}


def configure_asr(*, streaming: bool) -> Config:
    """Return Paraformer's config, or ParaformerStreaming's for chunks of [5, 10, 5]."""
    encoder = _configure_encoder(SIZE, HEADS, UNITS, ENCODER_LAYERS)
    encoder["attention_dropout_rate"] = DROPOUT
    if streaming:
        encoder |= {"input_layer": "pe_online"} | _STREAMING
    return {
        "model": "ParaformerStreaming" if streaming else "Paraformer",
        "model_conf": {
            "ctc_weight": 0.0,
            "lsm_weight": 0.1,
            "length_normalized_loss": True,
            "predictor_weight": 1.0,
            "predictor_bias": 1,
            "sampling_ratio": 0.75,
        },
        "encoder": "SANMEncoderChunkOpt" if streaming else "SANMEncoder",
        "encoder_conf": encoder,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": HEADS,
            "linear_units": UNITS,
            "num_blocks": DECODER_LAYERS,
            "att_layer_num": DECODER_LAYERS,
            "dropout_rate": DROPOUT,
            "positional_dropout_rate": DROPOUT,
            "self_attention_dropout_rate": DROPOUT,
            "src_attention_dropout_rate": DROPOUT,
            "kernel_size": KERNEL,
            "sanm_shfit": KERNEL // 2 if streaming else 0,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {
            "idim": SIZE,
            "threshold": 1.0,
            "l_order": 1,
            "r_order": 1,
            "tail_threshold": 0.45,
        },
        "frontend": "WavFrontendOnline" if streaming else "WavFrontend",
        "frontend_conf": FRONTEND_LFR,
        **_TOKENIZER,
    }


def configure_training(config: Config, ctc_weight: float, *, with_dropout: bool) -> Config:
    """Return a recogniser's config with a CTC head; dropout takes a third of a step's time."""
    trained = config | {"model_conf": config["model_conf"] | {"ctc_weight": ctc_weight}}
    for part in () if with_dropout else ("encoder_conf", "decoder_conf"):
        rates = {name: 0.0 for name in config[part] if name.endswith("dropout_rate")}
        trained[part] = config[part] | rates
    return trained


def configure_vad() -> Config:
    """Return FSMN-VAD's config; the times are FunASR's defaults."""
    return {
        "model": "FsmnVADStreaming",
        "model_conf": {
            "sample_rate": 16000,
            "detect_mode": 1,
            "snr_mode": 0,
            "max_end_silence_time": 800,
            "max_start_silence_time": 3000,
            "do_start_point_detection": True,
            "do_end_point_detection": True,
            "window_size_ms": 200,
            "sil_to_speech_time_thres": 150,
            "speech_to_sil_time_thres": 150,
            "speech_2_noise_ratio": 1.0,
            "do_extend": 1,
            "lookback_time_start_point": 200,
            "lookahead_time_end_point": 100,
            "max_single_segment_time": 60000,
            "snr_thres": -100.0,
            "noise_frame_num_used_for_snr": 100,
            "decibel_thres": -100.0,
            "speech_noise_thres": 0.6,
            "fe_prior_thres": 0.0001,
            "silence_pdf_num": 1,
            "sil_pdf_ids": [0],
            "speech_noise_thresh_low": -0.1,
            "speech_noise_thresh_high": 0.3,
            "output_frame_probs": False,
            "frame_in_ms": 10,
            "frame_length_ms": 25,
        },
        "encoder": "FSMN",
        "encoder_conf": {
            "input_dim": 400,
            "input_affine_dim": 64,
            "fsmn_layers": 4,
            "linear_dim": 96,
            "proj_dim": 48,
            "lorder": 20,
            "rorder": 0,
            "lstride": 1,
            "rstride": 0,
            "output_affine_dim": 48,
            "output_dim": 2,
        },
        "frontend": "WavFrontendOnline",
        "frontend_conf": FRONTEND_VAD,
    }


def configure_punc() -> Config:
    """Return CT-Transformer's config."""
    encoder = _configure_encoder(PUNC_SIZE, HEADS, 4 * PUNC_SIZE, 2)
    return {
        "model": "CTTransformer",
        "model_conf": {
            "ignore_id": 0,
            "embed_unit": PUNC_SIZE,
            "att_unit": PUNC_SIZE,
            "dropout_rate": DROPOUT,
            "punc_list": list(MARKS),
            "punc_weight": [1.0] * len(MARKS),
            "sentence_end_id": MARKS.index("。"),
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {"input_size": PUNC_SIZE, "padding_idx": 0, **encoder},
        **_TOKENIZER,
    }


def _configure_encoder(size: int, heads: int, units: int, layers: int) -> Config:
    return {
        "output_size": size,
        "attention_heads": heads,
        "linear_units": units,
        "num_blocks": layers,
        "dropout_rate": DROPOUT,
        "positional_dropout_rate": DROPOUT,
        "attention_dropout_rate": 0.0,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": KERNEL,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    }
