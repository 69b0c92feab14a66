"""All the models that one engine needs, loaded and checked together.

A model directory holds the FunASR model folders `asr`, `vad` and, where texts are to be
punctuated, `punc`; where utterances are to be recognised while they are spoken, `asr_online`.
What network `asr` is follows from its config.yaml; one that punctuates leaves `punc` unread.
Everything that can be wrong with one is a ModelError before the first request.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr_server.models import (
    bicif_recognizer,
    cuda_graph,
    folders,
    punctuation,
    recognizer,
    sense_voice_recognizer,
    streaming_recognizer,
    streaming_vad,
    vad,
)
from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder
from asr_server.models.frontend import Audio
from asr_server.speech.pieces import Piece

__all__ = ["ModelError", "Models", "demo_directory", "load_models"]

AnyRecognizer = recognizer.Recognizer | sense_voice_recognizer.SenseVoiceRecognizer

_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_RECOGNIZERS: dict[str, Callable[[ModelFolder, torch.device, torch.dtype], AnyRecognizer]] = {
    "Paraformer": recognizer.load,
    "BiCifParaformer": bicif_recognizer.load_bicif,
    "SeacoParaformer": bicif_recognizer.load_seaco,
    "SenseVoiceSmall": sense_voice_recognizer.load,
}
_SAMPLE_RATE_HZ = 16000
_LONGEST_SEGMENT_S = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """What one engine runs; each member takes one batch per call and remembers nothing."""

    vad: vad.Vad
    streaming_vad: streaming_vad.StreamingVad
    recognizer: AnyRecognizer
    streaming_recognizer: streaming_recognizer.StreamingRecognizer | None
    punctuation: punctuation.Punctuation | None
    name: str
    device: str
    dtype: str

    def warm_up(self, batch_size: int, audio_s: float) -> None:
        """Run noise through every stage, from one row to the limits of a batch.

        Raises ModelError where scores are not finite.
        """
        for audio in self._noise(batch_size, audio_s):
            tokens = [[0] * (1 + len(row) // _SAMPLE_RATE_HZ) for row in audio]
            scores = {"vad": [self.vad.probe(audio)], "asr": [*self.recognizer.probe(audio)]}
            if self.streaming_recognizer is not None:
                scores["asr_online"] = [*self.streaming_recognizer.probe(audio)]
            if self.punctuation is not None:
                scores["punc"] = [self.punctuation.probe(tokens)]
            for stage, values in scores.items():
                if not all(torch.isfinite(part).all() for part in values):
                    raise ModelError(
                        f"{self.name}/{stage} gives NaN or infinity in {self.dtype}; "
                        "use float32 or bfloat16, or check the weights"
                    )
            self._warm_streams(audio)
        if self.device.startswith("cuda"):
            self._record_short_batches()

    def _record_short_batches(self) -> None:
        """Record the short batches of the recogniser, or say why they stay as slow as they are.

        Raises `torch.AcceleratorError` where the device is lost with that.
        """
        if not isinstance(self.recognizer, recognizer.Recognizer):
            return
        try:
            self.recognizer.record_short_batches(cuda_graph.CudaRecorder())
        except RuntimeError as error:  # of memory, or for an operation that no graph can hold
            logger.warning("short batches are launched kernel by kernel: %s", error)
            torch.cuda.synchronize()

    def _warm_streams(self, audio: Sequence[Audio]) -> None:
        """Run two pieces of as many streams: the second has a past."""
        heard = [self.streaming_vad.start() for _ in audio]
        for _ in range(2):
            pieces = [Piece(state, row[:960]) for state, row in zip(heard, audio, strict=True)]
            heard = [after.state for after in self.streaming_vad.advance(pieces)]
        if self.streaming_recognizer is not None:
            self.streaming_recognizer.warm_up(audio)

    def _noise(self, batch_size: int, audio_s: float) -> Iterator[list[Audio]]:
        """Yield batches of doubling size, as long as the budget allows.

        On a CPU nothing is compiled or tuned per shape, and the first and last size suffice, with
        rows of one second: a start under a small CPU quota must not take minutes.
        """
        noise = np.random.default_rng(0)
        is_cuda = self.device.startswith("cuda")
        sizes = [1 << power for power in range(batch_size.bit_length())] if is_cuda else [1]
        for rows in sorted({*sizes, batch_size}):
            seconds = min(audio_s / rows, _LONGEST_SEGMENT_S if is_cuda else 1.0)
            shape = (rows, max(int(seconds * _SAMPLE_RATE_HZ), 400))
            yield list(noise.integers(-8000, 8000, shape, dtype=np.int16))


def demo_directory() -> Path:
    """Return the directory of the demo models that are part of this package."""
    return Path(__file__).parent / "demo"


def load_models(directory: Path, *, device: str, dtype: str) -> Models:
    """Load the models of a directory; ModelError says what is wrong and what to do."""
    if dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {dtype}; use one of {', '.join(_DTYPES)}")
    place = _open_device(device)
    if not directory.is_dir():
        raise ModelError(f"{directory} is not a directory; give one that holds asr and vad")
    folders.verify_manifest(directory)
    kind = _DTYPES[dtype]
    recognizes = _load_recognizer(folders.open_folder(directory / "asr"), place, kind)
    punc = online = None
    if (directory / "punc").exists() and not recognizes.PUNCTUATES:
        punc = punctuation.load(folders.open_folder(directory / "punc"), place, kind)
    if (directory / "asr_online").exists():
        folder = folders.open_folder(directory / "asr_online")
        online = streaming_recognizer.load(folder, place, kind)
    detector = vad.load(folders.open_folder(directory / "vad"), place, kind)
    return Models(
        vad=detector,
        streaming_vad=streaming_vad.StreamingVad(detector.front, detector.network, detector.config),
        recognizer=recognizes,
        streaming_recognizer=online,
        punctuation=punc,
        name="demo" if directory == demo_directory() else directory.name,
        device=device,
        dtype=dtype,
    )


def _load_recognizer(
    folder: ModelFolder, device: torch.device, dtype: torch.dtype
) -> AnyRecognizer:
    return _RECOGNIZERS[folder.check_class(*_RECOGNIZERS)](folder, device, dtype)


def _open_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"unknown device {name}; use cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("no CUDA device is available; use cpu, or give the pod a GPU")
    if device.type == "cuda":
        # cuDNN's attention is planned anew for every shape: 58 % of the engine's time (H100).
        torch.backends.cuda.enable_cudnn_sdp(False)  # noqa: FBT003
    return device
