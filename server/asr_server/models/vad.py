"""Voice activity detection of a batch of recordings: audio in, spans of speech out.

Features and scores are made in chunks of time. A probability per 10 ms is kept, and the filter
bank, which recognisers need not compute again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_server.models import endpoint_rules, endpointing, fbank, frontend, fsmn_vad, staging
from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder
from asr_server.speech import sounds
from asr_server.speech.spans import Span

MAX_END_SILENCE_MS = 800
_CPU_CHUNK_STEPS = 6000  # of all rows together; a step is 10 ms
_CUDA_CHUNK_STEPS = 100_000
_LONGEST_CHUNK_STEPS = 6000


class Vad:
    """Finds speech in recordings; the network runs batched, the decisions per recording."""

    def __init__(
        self,
        front: frontend.Frontend,
        network: fsmn_vad.FsmnVad,
        config: endpoint_rules.EndpointConfig,
    ):
        self.front = front
        self.network = network
        self.config = config
        self.rules = endpoint_rules.read_rules(config, MAX_END_SILENCE_MS)

    def detect(self, audio: Sequence[frontend.Audio]) -> list[list[Span]]:
        """Return the spans of speech in each mono 16 kHz int16 recording, in order.

        A pause of 800 ms ends a span; a span lasts 60 s at most by FunASR's defaults. Audio under
        25 ms has none. The host waits for the device once per batch.
        """
        return [list(found.spans) for found in self.hear(audio)]

    def hear(self, audio: Sequence[frontend.Audio]) -> list[sounds.Detected]:
        """Return what `detect` does, with the filter bank of each recording where one is kept."""
        silence, bank = self._score(audio)
        banks: Sequence[frontend.Frames | None] = [None] * len(audio)
        if self.front.keeps_banks:
            banks = list(bank.numpy())
        frames = [fbank.count_frames(len(row)) for row in audio]
        speech = endpointing.classify(silence.cpu().numpy(), self.config)
        return [
            sounds.Detected(endpointing.find_spans(row[:count], self.rules), own)
            for row, count, own in zip(speech, frames, banks, strict=True)
        ]

    def probe(self, audio: Sequence[frontend.Audio]) -> Tensor:
        """Return the probability of silence per 10 ms, float32 (rows, frames)."""
        return self._score(audio)[0]

    def _score(self, audio: Sequence[frontend.Audio]) -> tuple[Tensor, Tensor]:
        """Return what `probe` does, and the bank (rows, frames, bins)."""
        order = sorted(range(len(audio)), key=lambda row: -len(audio[row]))
        with torch.inference_mode():
            waveforms = self.front.load([audio[row] for row in order])
            silence, bank = self._run(waveforms)
            places = staging.put_list(order, silence.device, torch.int64).argsort()
            return silence[places], bank[places] if self.front.keeps_banks else bank

    def _run(self, waveforms: frontend.Waveforms) -> tuple[Tensor, Tensor]:
        """Score recordings sorted by falling length; a chunk has only those that reach it."""
        front, frames = self.front, waveforms.frames
        longest = max(frames, default=0)
        silence = torch.ones(len(frames), longest, device=front.device)
        bank = torch.empty(len(frames), longest, front.config.n_mels, device=front.device)
        past = self.network.encoder.start(len(frames))
        start = known_frames = 0
        while rows := sum(count > start for count in frames):
            stop = min(start + self._chunk_steps(rows), longest)
            needed = min(stop + front.config.lfr_m, longest)
            front.fill_bank(waveforms, bank[:rows], known_frames, needed)
            features = front.stack(bank[:rows], frames[:rows], [start] * rows, stop - start)
            silence[:rows, start:stop], known = self.network(
                features.to(past.dtype), past[:, :rows]
            )
            past = known[:, :, stop - start :]
            start, known_frames = stop, needed
        return silence, bank

    def _chunk_steps(self, rows: int) -> int:
        limit = _CUDA_CHUNK_STEPS if self.front.device.type == "cuda" else _CPU_CHUNK_STEPS
        return max(1, min(limit // rows, _LONGEST_CHUNK_STEPS))


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Vad:
    """Load an FSMN-VAD model folder; ModelError says what does not fit."""
    folder.check_class("FsmnVADStreaming")
    config = folder.read_config(fsmn_vad.FsmnVadConfig)
    if config.frontend_conf.lfr_n != 1:
        raise ModelError(f"{folder.path / 'config.yaml'}: frontend_conf.lfr_n must be 1 for a VAD")
    with torch.device("meta"):
        network = fsmn_vad.FsmnVad(config)
    folder.load_weights(network, device, dtype)
    front = frontend.open_frontend(folder.file("am.mvn"), config.frontend_conf, device)
    return Vad(front, network, config.model_conf)
