"""Recognition of utterances that are still being spoken, batched across streams.

An utterance is recognised in steps of a fixed length, whatever the pieces are in which its audio
comes. Its last piece gives what is left.
"""

import functools
from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor

from asr_server.models import (
    fbank,
    frontend,
    paraformer,
    recognizer,
    streaming_frontend,
    streaming_paraformer,
    tokens,
)
from asr_server.models.errors import ModelError
from asr_server.models.folders import ModelFolder
from asr_server.models.streaming_paraformer import ChunkSize
from asr_server.speech.pieces import Piece, Spoken

_STEP_MS = 60  # in which FunASR counts chunk sizes
_STEP_SAMPLES = _STEP_MS * fbank.SAMPLE_RATE_HZ // 1000
_NO_AUDIO = np.zeros(0, dtype=np.int16)
_PROBED_CHUNK = (5, 10, 5)
_PROBED_TOKENS = 3
_KEPT_SIZES = 8  # whose beginning is made once, not for each utterance


class UtteranceState(msgspec.Struct, frozen=True):
    """What is known of an utterance: less than a step of audio, and what the models remember.

    `unfinished` are the pieces of a word that goes on in the next step.
    """

    size: ChunkSize
    waiting: frontend.Audio
    carry: streaming_frontend.Carry
    memory: streaming_paraformer.Memory
    unfinished: tuple[str, ...] = ()


class StreamingRecognizer:
    """Recognises utterances step by step, one step of all of them per forward pass."""

    def __init__(
        self,
        front: frontend.Frontend,
        network: paraformer.Paraformer,
        symbols: Sequence[str],
    ):
        self.front = streaming_frontend.StreamingFrontend(front)
        self.network = streaming_paraformer.StreamingParaformer(network)
        self.symbols = symbols
        self._begin = functools.lru_cache(maxsize=_KEPT_SIZES)(self._make_start)

    def step_samples(self, chunk_size: ChunkSize) -> int:
        """Return how many samples a step takes: pieces of that length never have to wait."""
        return chunk_size[1] * _STEP_SAMPLES

    def start(self, chunk_size: ChunkSize) -> UtteranceState:
        """Return the state of an utterance at its beginning.

        `chunk_size` is FunASR's, in 60 ms: what is seen before a step, the step, what is seen
        behind it. Raises ValueError when the step is not above 0 or another is negative.
        """
        if min(chunk_size) < 0 or chunk_size[1] == 0:
            raise ValueError(f"chunk_size {list(chunk_size)}: the second must be above 0")
        return self._begin(chunk_size)

    def _make_start(self, chunk_size: ChunkSize) -> UtteranceState:
        with torch.inference_mode():
            memory = self.network.start(chunk_size)
        return UtteranceState(chunk_size, _NO_AUDIO, streaming_frontend.START, memory)

    def advance(self, pieces: Sequence[Piece[UtteranceState]]) -> list[Spoken[UtteranceState]]:
        """Return the tokens that the next piece of each utterance adds.

        Rows may differ in age and chunk size. A last piece that ends an utterance of less than
        60 ms adds nothing. Raises ArithmeticError when the network's output is not a number.
        """
        runs = [_Run(piece, self.step_samples(piece.state.size)) for piece in pieces]
        with torch.inference_mode():
            while ready := [run for run in runs if run.is_ready]:
                self._step(ready)
        return [run.describe() for run in runs]

    def probe(self, audio: Sequence[frontend.Audio]) -> tuple[Tensor, Tensor]:
        """Return CIF's sums, and the scores of three tokens, of the first step of utterances.

        For warming up: noise has no tokens, and would leave the decoder cold.
        """
        start = self.start(_PROBED_CHUNK)
        samples = self.step_samples(_PROBED_CHUNK)
        with torch.inference_mode():
            stretches = [
                self.front.extend(start.carry, np.resize(row, samples), last=False)[1]
                for row in audio
            ]
            chunks = [
                streaming_paraformer.Chunk(start.memory, start.size, stretch.steps, last=False)
                for stretch in stretches
            ]
            encoded = self.network.encode(chunks, self.front.features(stretches))
            embeddings = encoded.hidden[:, :_PROBED_TOKENS]
            return encoded.sums, self.network.decode(chunks, encoded.hidden, embeddings)[0]

    def warm_up(self, audio: Sequence[frontend.Audio]) -> None:
        """Recognise two steps of each utterance; the second looks back."""
        start, samples = self.start(_PROBED_CHUNK), self.step_samples(_PROBED_CHUNK)
        self.advance([Piece(start, np.resize(row, 2 * samples)) for row in audio])

    def _step(self, runs: Sequence["_Run"]) -> None:
        """Recognise the next step of each utterance."""
        stretches = [run.take(self.front) for run in runs]
        chunks = [
            streaming_paraformer.Chunk(run.memory, run.size, stretch.steps, run.is_done)
            for run, stretch in zip(runs, stretches, strict=True)
        ]
        memories, ids = self.network.advance(chunks, self.front.features(stretches))
        for run, memory, row in zip(runs, memories, ids, strict=True):
            run.memory = memory
            run.pieces += tokens.name_pieces(row, self.symbols)


class _Run:
    """One piece on its way through the steps."""

    def __init__(self, piece: Piece[UtteranceState], step_samples: int):
        state = piece.state
        self.last = piece.last
        self.step_samples = step_samples
        self.audio = np.concatenate([state.waiting, piece.audio])
        self.bank = None if len(state.waiting) else piece.bank
        self.size, self.carry, self.memory = state.size, state.carry, state.memory
        self.pieces = list(state.unfinished)
        self.is_done = False
        if self.last and not self.carry.steps and len(self.audio) < _STEP_SAMPLES:
            self.is_done = True

    @property
    def is_ready(self) -> bool:
        """Whether there is another step, the last one included."""
        return not self.is_done and (self.last or len(self.audio) >= self.step_samples)

    def take(self, front: streaming_frontend.StreamingFrontend) -> streaming_frontend.Stretch:
        """Return the features' audio of the next step."""
        audio, self.audio = self.audio[: self.step_samples], self.audio[self.step_samples :]
        self.is_done = len(audio) < self.step_samples
        if len(audio) < _STEP_SAMPLES:
            audio = _NO_AUDIO  # FunASR ends with the steps that it has seen already
        self.carry, stretch = front.extend(self.carry, audio, last=self.is_done, bank=self.bank)
        self.bank = None  # it is that of one step
        return stretch

    def describe(self) -> Spoken[UtteranceState]:
        """Return the new state, and the tokens that are complete."""
        finished = len(self.pieces) if self.last else tokens.count_finished(self.pieces)
        added, unfinished = self.pieces[:finished], tuple(self.pieces[finished:])
        state = UtteranceState(self.size, self.audio.copy(), self.carry, self.memory, unfinished)
        return Spoken(state, tokens.from_pieces(added))


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> StreamingRecognizer:
    """Load a streaming Paraformer model folder; ModelError says what does not fit."""
    folder.check_class("ParaformerStreaming")
    kinds = paraformer.ParaformerConfig, paraformer.Paraformer
    front, network, symbols = recognizer.load_parts(folder, device, dtype, *kinds)
    if any(2 * block.shift != block.reach for block in network.decoder.filters):
        raise ModelError(
            f"{folder.path / 'config.yaml'}: decoder_conf.sanm_shfit must be half of kernel_size, "
            "so that the decoder only looks back; give a model that was trained to stream"
        )
    if front.config.lfr_n * front.config.frame_shift != _STEP_MS:
        raise ModelError(
            f"{folder.path / 'config.yaml'}: frontend_conf.lfr_n must be 6 for a streaming model"
        )
    return StreamingRecognizer(front, network, symbols)
