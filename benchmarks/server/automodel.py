"""Recognises WAV files with FunASR's `AutoModel`, VAD and punctuation, and says how long it took.

    python -m benchmarks.server.automodel MODELS FOLDER [--repeats 3] [--threads 1] [--no-punc]
        [--device cpu] [--dtype float32]

The models are loaded and one file is recognised before the clock starts. The last line is JSON.
"""

import argparse
import json
import logging
import time
import warnings
from pathlib import Path

import funasr
import soundfile

from benchmarks.server.local_models import END_SILENCE


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-punc", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    quiet = {"disable_update": True}
    more = {} if given.no_punc else {"punc_model": str(given.models / "punc"), "punc_kwargs": quiet}
    model = funasr.AutoModel(
        model=str(given.models / "asr"),
        vad_model=str(given.models / "vad"),
        vad_kwargs=quiet | END_SILENCE,
        device=given.device,
        bf16=given.dtype == "bfloat16",
        fp16=given.dtype == "float16",
        ncpu=given.threads,
        disable_pbar=True,
        disable_log=True,
        disable_update=True,
        **more,
    )
    talks = {
        path.stem: soundfile.read(path, dtype="float32")[0]
        for path in sorted(given.folder.glob("*.wav"))
    }
    model.generate(input=next(iter(talks.values())))
    took_s = []
    for _ in range(given.repeats):
        began = time.monotonic()
        heard = {name: model.generate(input=audio)[0]["text"] for name, audio in talks.items()}
        took_s.append(time.monotonic() - began)
    print("\n" + json.dumps({"took_s": took_s, "heard": heard}))


if __name__ == "__main__":
    main()
