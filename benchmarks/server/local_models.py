"""Runs one of FunASR's own programs with models that are here: nothing is downloaded.

    python -m benchmarks.server.local_models MODELS PROGRAM ARGUMENTS...

FunASR's servers name some of their models by hub id in their source. Here each id becomes a folder
of MODELS; a model that is not there (the speaker's embedding of funasr_wss_server.py) fails when it
is used, which that server takes as an unknown speaker. The VAD waits for 800 ms of silence, as its
config.yaml says: without being told so once more, FunASR 1.4.16 begins with two seconds.
"""

import runpy
import sys
from pathlib import Path
from typing import Any

import funasr

FOLDERS = {
    "paraformer-zh": "asr",
    "fsmn-vad": "vad",
    "ct-punc": "punc",
}
END_SILENCE = {"max_end_silence_time": 800}


class _Absent:
    def __init__(self, name: str) -> None:
        self._name = name

    def generate(self, **_: object) -> Any:
        raise RuntimeError(f"{self._name} is not here")


def main() -> None:
    """Run the program."""
    models, program, *arguments = sys.argv[1:]
    stock = funasr.AutoModel

    def load(**options: Any) -> Any:
        for key in ("model", "vad_model", "punc_model"):
            if options.get(key) in FOLDERS:
                options[key] = str(Path(models, FOLDERS[options[key]]))
                options.pop(f"{key}_revision", None)
        if "campplus" in options["model"]:
            return _Absent(options["model"])
        if "vad_model" in options:
            options["vad_kwargs"] = options.get("vad_kwargs", {}) | END_SILENCE
        elif Path(options["model"]).name == "vad":
            options |= END_SILENCE
        return stock(**options | {"disable_update": True, "disable_pbar": True})

    funasr.AutoModel = load
    sys.argv = [program, *arguments]
    if program == "funasr-server":
        runpy.run_module("funasr.bin.server", run_name="__main__")
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
